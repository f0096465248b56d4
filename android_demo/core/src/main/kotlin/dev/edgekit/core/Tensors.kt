package dev.edgekit.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A direct, little-endian buffer: runtimes read such a one without a copy. */
fun newBuffer(bytes: Int): ByteBuffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN)

/** [bytes] in a direct, little-endian buffer, from its start. */
fun bufferOf(bytes: ByteArray): ByteBuffer = newBuffer(bytes.size).apply { put(bytes) }.fromStart()

/** The buffer from 0 to its capacity, by Buffer's own methods: ByteBuffer's overrides came with API 34. */
fun ByteBuffer.fromStart(): ByteBuffer {
    (this as java.nio.Buffer).clear()
    return this
}

/** A copy of all bytes. */
fun ByteBuffer.toBytes(): ByteArray = ByteArray(capacity()).also { duplicate().fromStart().get(it) }

/** Every element as a double; int64 values beyond 2^53 are rounded. */
fun ByteBuffer.values(dtype: DType): DoubleArray {
    val data = duplicate().fromStart().order(ByteOrder.LITTLE_ENDIAN)
    require(data.capacity() % dtype.bytes == 0) { "${data.capacity()} bytes are no whole number of ${dtype.label}" }
    return DoubleArray(data.capacity() / dtype.bytes) { data.value(it * dtype.bytes, dtype) }
}

private fun ByteBuffer.value(at: Int, dtype: DType): Double = when (dtype) {
    DType.FLOAT32 -> getFloat(at).toDouble()
    DType.FLOAT64 -> getDouble(at)
    DType.FLOAT16 -> halfToFloat(getShort(at)).toDouble()
    DType.INT8 -> get(at).toDouble()
    DType.UINT8, DType.BOOL -> (get(at).toInt() and 0xff).toDouble()
    DType.INT16 -> getShort(at).toDouble()
    DType.INT32 -> getInt(at).toDouble()
    DType.INT64 -> getLong(at).toDouble()
}

/** IEEE half precision as a float; exact for every value. */
fun halfToFloat(half: Short): Float {
    val bits = half.toInt() and 0xffff
    val sign = if (bits and 0x8000 != 0) -1f else 1f
    val exponent = bits shr 10 and 0x1f
    val fraction = bits and 0x3ff
    return when (exponent) {
        0 -> sign * Math.scalb(fraction.toFloat(), -24)
        0x1f -> if (fraction == 0) sign * Float.POSITIVE_INFINITY else Float.NaN
        else -> sign * Math.scalb((fraction or 0x400).toFloat(), exponent - 25)
    }
}
