package android.graphics;

public class Paint {
    public static final int ANTI_ALIAS_FLAG = 1;

    public Paint() { throw new RuntimeException("stub"); }

    public Paint(int flags) { throw new RuntimeException("stub"); }

    public int getColor() { throw new RuntimeException("stub"); }

    public void setColor(int color) { throw new RuntimeException("stub"); }

    public float getStrokeWidth() { throw new RuntimeException("stub"); }

    public void setStrokeWidth(float width) { throw new RuntimeException("stub"); }

    public Cap getStrokeCap() { throw new RuntimeException("stub"); }

    public void setStrokeCap(Cap cap) { throw new RuntimeException("stub"); }

    public enum Cap {
        BUTT, ROUND, SQUARE
    }
}
