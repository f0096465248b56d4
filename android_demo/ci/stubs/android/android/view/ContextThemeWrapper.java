package android.view;

import android.content.ContextWrapper;
import android.content.res.AssetManager;

public class ContextThemeWrapper extends ContextWrapper {
    public ContextThemeWrapper() { super(null); }

    @Override
    public AssetManager getAssets() { throw new RuntimeException("stub"); }
}
