package android.content.res;

import android.util.DisplayMetrics;

public class Resources {
    Resources() { throw new RuntimeException("stub"); }

    public DisplayMetrics getDisplayMetrics() { throw new RuntimeException("stub"); }
}
