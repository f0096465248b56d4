package android.view;

import android.content.Context;

public abstract class Window {
    public Window(Context context) { throw new RuntimeException("stub"); }

    public void addFlags(int flags) { throw new RuntimeException("stub"); }
}
