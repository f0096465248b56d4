package android.view;

import android.content.Context;
import android.content.res.Resources;
import android.graphics.Canvas;
import android.util.AttributeSet;

public class View {
    public static final int VISIBLE = 0x00000000;
    public static final int GONE = 0x00000008;

    public View(Context context) { throw new RuntimeException("stub"); }

    public View(Context context, AttributeSet attrs) { throw new RuntimeException("stub"); }

    public void invalidate() { throw new RuntimeException("stub"); }

    public int getVisibility() { throw new RuntimeException("stub"); }

    public void setVisibility(int visibility) { throw new RuntimeException("stub"); }

    public boolean isEnabled() { throw new RuntimeException("stub"); }

    public void setEnabled(boolean enabled) { throw new RuntimeException("stub"); }

    public Resources getResources() { throw new RuntimeException("stub"); }

    public final int getWidth() { throw new RuntimeException("stub"); }

    public final int getHeight() { throw new RuntimeException("stub"); }

    public final ViewParent getParent() { throw new RuntimeException("stub"); }

    public boolean performClick() { throw new RuntimeException("stub"); }

    public void setOnClickListener(OnClickListener l) { throw new RuntimeException("stub"); }

    public boolean onTouchEvent(MotionEvent event) { throw new RuntimeException("stub"); }

    protected void onDraw(Canvas canvas) { throw new RuntimeException("stub"); }

    protected void onMeasure(int widthMeasureSpec, int heightMeasureSpec) { throw new RuntimeException("stub"); }

    protected final void setMeasuredDimension(int measuredWidth, int measuredHeight) {
        throw new RuntimeException("stub");
    }

    public interface OnClickListener {
        void onClick(View v);
    }

    public static class MeasureSpec {
        public MeasureSpec() { throw new RuntimeException("stub"); }

        public static int getSize(int measureSpec) { throw new RuntimeException("stub"); }
    }
}
