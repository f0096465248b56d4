package android.content.res;

import java.io.IOException;
import java.io.InputStream;

public final class AssetManager implements AutoCloseable {
    AssetManager() { throw new RuntimeException("stub"); }

    public InputStream open(String fileName) throws IOException { throw new RuntimeException("stub"); }

    @Override
    public void close() { throw new RuntimeException("stub"); }
}
