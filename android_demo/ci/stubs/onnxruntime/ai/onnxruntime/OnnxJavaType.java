package ai.onnxruntime;

public enum OnnxJavaType {
    INT8, BOOL, UINT8, FLOAT16
}
