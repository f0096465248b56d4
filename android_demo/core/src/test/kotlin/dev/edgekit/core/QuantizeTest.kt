package dev.edgekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class QuantizeTest {
    private fun spec(dtype: DType, scale: Double, zero: Int) =
        TensorSpec("x", listOf(1, 4), dtype, null, Quant(listOf(scale), listOf(zero), null))

    @Test
    fun halvesGoToTheEvenNumberAndEndsAreClamped() {
        val stored = quantize(floatArrayOf(0.25f, 0.75f, -0.25f, 99f, -99f), spec(DType.INT8, 0.5, 3)).toBytes()
        assertArrayEquals(byteArrayOf(3, 5, 3, 127, -128), stored)
        val unsigned = quantize(floatArrayOf(0f, 1f, 300f), spec(DType.UINT8, 1.0, 128)).toBytes()
        assertArrayEquals(byteArrayOf(-128, -127, -1), unsigned)
    }

    /** 0.05f / 0.1 is a half in float32, as numpy divides, and above it in double. */
    @Test
    fun theDivisionIsInSinglePrecision() {
        assertArrayEquals(byteArrayOf(0), quantize(floatArrayOf(0.05f), spec(DType.INT8, 0.1, 0)).toBytes())
    }

    @Test
    fun floatsStayAsTheyAre() {
        val values = floatArrayOf(1.5f, -0f, Float.MIN_VALUE)
        val buffer = quantize(values, TensorSpec("x", listOf(3), DType.FLOAT32, null, null))
        assertArrayEquals(values.map { it.toDouble() }.toDoubleArray(), buffer.values(DType.FLOAT32), 0.0)
    }

    @Test
    fun storedIntegersBecomeReal() {
        val stored = bufferOf(byteArrayOf(-128, 0, 127))
        assertArrayEquals(doubleArrayOf(-63.0, 1.0, 64.5), dequantize(stored, spec(DType.INT8, 0.5, -2)), 0.0)
        assertArrayEquals(doubleArrayOf(65.0, 1.0, 64.5), dequantize(stored, spec(DType.UINT8, 0.5, -2)), 0.0)
    }

    @Test
    fun aScaleForEachChannelIsRefused() {
        val spec = TensorSpec("x", listOf(2), DType.INT8, null, Quant(listOf(1.0, 2.0), listOf(0, 0), 0))
        assertThrows(IllegalStateException::class.java) { quantize(floatArrayOf(1f, 2f), spec) }
        assertThrows(IllegalStateException::class.java) { dequantize(bufferOf(byteArrayOf(1, 2)), spec) }
    }
}
