package android.graphics;

public class Canvas {
    public Canvas(Bitmap bitmap) { throw new RuntimeException("stub"); }

    public void drawColor(int color) { throw new RuntimeException("stub"); }

    public void drawBitmap(Bitmap bitmap, Rect src, Rect dst, Paint paint) { throw new RuntimeException("stub"); }

    public void drawLine(float startX, float startY, float stopX, float stopY, Paint paint) {
        throw new RuntimeException("stub");
    }

    public void drawPoint(float x, float y, Paint paint) { throw new RuntimeException("stub"); }
}
