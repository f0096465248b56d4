package android.graphics;

public final class Rect {
    public int left;
    public int top;

    public Rect() { throw new RuntimeException("stub"); }

    public Rect(int left, int top, int right, int bottom) { throw new RuntimeException("stub"); }

    public final boolean isEmpty() { throw new RuntimeException("stub"); }

    public final int width() { throw new RuntimeException("stub"); }

    public final int height() { throw new RuntimeException("stub"); }

    public void set(int left, int top, int right, int bottom) { throw new RuntimeException("stub"); }
}
