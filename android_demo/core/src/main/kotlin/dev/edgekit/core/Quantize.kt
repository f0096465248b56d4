package dev.edgekit.core

import java.nio.ByteBuffer

/** Float values as a tensor stores them: float32, or int8 and uint8 by its one scale and zero point. */
fun quantize(values: FloatArray, spec: TensorSpec): ByteBuffer {
    val buffer = newBuffer(values.size * spec.dtype.bytes)
    if (spec.dtype == DType.FLOAT32) {
        for (value in values) buffer.putFloat(value)
        return buffer.fromStart()
    }
    val quant = checkNotNull(spec.quant) { "${spec.name} is ${spec.dtype.label} without a scale" }
    check(quant.scale.size == 1) { "${spec.name} has a scale for each channel" }
    val range = when (spec.dtype) {
        DType.INT8 -> -128.0..127.0
        DType.UINT8 -> 0.0..255.0
        else -> error("${spec.name} takes ${spec.dtype.label} and an image gives float32, int8 or uint8")
    }
    // The division is in float32 as numpy's is; rint rounds halves to the even number.
    val scale = quant.scale[0].toFloat()
    for (value in values) {
        val stored = Math.rint((value / scale).toDouble()) + quant.zeroPoint[0]
        buffer.put(stored.coerceIn(range).toInt().toByte())
    }
    return buffer.fromStart()
}

/** A tensor's real values: stored integers by their one scale and zero point, anything else as it is. */
fun dequantize(buffer: ByteBuffer, spec: TensorSpec): DoubleArray {
    val stored = buffer.values(spec.dtype)
    val quant = spec.quant ?: return stored
    check(quant.scale.size == 1) { "${spec.name} has a scale for each channel" }
    return DoubleArray(stored.size) { (stored[it] - quant.zeroPoint[0]) * quant.scale[0] }
}
