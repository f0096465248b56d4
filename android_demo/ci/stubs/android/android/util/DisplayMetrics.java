package android.util;

public class DisplayMetrics {
    public int heightPixels;

    public DisplayMetrics() { throw new RuntimeException("stub"); }
}
