package android.graphics;

public final class Bitmap {
    Bitmap() { throw new RuntimeException("stub"); }

    public static Bitmap createBitmap(int width, int height, Config config) { throw new RuntimeException("stub"); }

    public static Bitmap createBitmap(int[] colors, int width, int height, Config config) {
        throw new RuntimeException("stub");
    }

    public void getPixels(int[] pixels, int offset, int stride, int x, int y, int width, int height) {
        throw new RuntimeException("stub");
    }

    public enum Config {
        ARGB_8888
    }
}
