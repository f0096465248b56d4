package com.google.ai.edge.litert;

public abstract class JniHandle implements AutoCloseable {
    JniHandle() { throw new RuntimeException("stub"); }

    @Override
    public final void close() { throw new RuntimeException("stub"); }
}
