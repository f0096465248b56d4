package android.content;

import android.content.res.AssetManager;
import java.io.File;

public class ContextWrapper extends Context {
    public ContextWrapper(Context base) { throw new RuntimeException("stub"); }

    @Override
    public AssetManager getAssets() { throw new RuntimeException("stub"); }

    @Override
    public File getFilesDir() { throw new RuntimeException("stub"); }

    @Override
    public File getExternalFilesDir(String type) { throw new RuntimeException("stub"); }
}
