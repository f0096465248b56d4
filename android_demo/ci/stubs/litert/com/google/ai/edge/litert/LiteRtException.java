package com.google.ai.edge.litert;

public final class LiteRtException extends Exception {
    public LiteRtException(int code, String message) { throw new RuntimeException("stub"); }
}
