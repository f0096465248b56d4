package ai.onnxruntime;

import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

public class OnnxTensor extends OnnxTensorLike {
    OnnxTensor() { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, ByteBuffer data, long[] shape, OnnxJavaType type)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, ShortBuffer data, long[] shape)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, ShortBuffer data, long[] shape, OnnxJavaType type)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, IntBuffer data, long[] shape)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, LongBuffer data, long[] shape)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, FloatBuffer data, long[] shape)
            throws OrtException { throw new RuntimeException("stub"); }

    public static OnnxTensor createTensor(OrtEnvironment env, DoubleBuffer data, long[] shape)
            throws OrtException { throw new RuntimeException("stub"); }

    public ByteBuffer getByteBuffer() { throw new RuntimeException("stub"); }

    @Override
    public void close() { throw new RuntimeException("stub"); }
}
