package android.content;

import android.content.res.AssetManager;
import java.io.File;

public abstract class Context {
    public Context() { throw new RuntimeException("stub"); }

    public abstract AssetManager getAssets();

    public abstract File getFilesDir();

    public abstract File getExternalFilesDir(String type);

    public final String getString(int resId) { throw new RuntimeException("stub"); }

    public final String getString(int resId, Object... formatArgs) { throw new RuntimeException("stub"); }

    public final <T> T getSystemService(Class<T> serviceClass) { throw new RuntimeException("stub"); }
}
