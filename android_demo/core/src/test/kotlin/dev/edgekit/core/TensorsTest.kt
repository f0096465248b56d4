package dev.edgekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class TensorsTest {
    @Test
    fun everyTypeIsReadLittleEndian() {
        assertArrayEquals(doubleArrayOf(1.0), bytes(0, 0, 0x80, 0x3f).values(DType.FLOAT32), 0.0)
        assertArrayEquals(doubleArrayOf(-2.0), bytes(0, 0, 0, 0, 0, 0, 0, 0xc0).values(DType.FLOAT64), 0.0)
        assertArrayEquals(doubleArrayOf(-1.0, 1.0), bytes(0xff, 1).values(DType.INT8), 0.0)
        assertArrayEquals(doubleArrayOf(255.0, 1.0), bytes(0xff, 1).values(DType.UINT8), 0.0)
        assertArrayEquals(doubleArrayOf(0.0, 1.0), bytes(0, 1).values(DType.BOOL), 0.0)
        assertArrayEquals(doubleArrayOf(258.0), bytes(2, 1).values(DType.INT16), 0.0)
        assertArrayEquals(doubleArrayOf(-2.0), bytes(0xfe, 0xff, 0xff, 0xff).values(DType.INT32), 0.0)
        assertArrayEquals(doubleArrayOf(256.0), bytes(0, 1, 0, 0, 0, 0, 0, 0).values(DType.INT64), 0.0)
    }

    @Test
    fun halvesAreExact() {
        fun half(bits: Int) = halfToFloat(bits.toShort())
        assertEquals(1f, half(0x3c00), 0f)
        assertEquals(-65504f, half(0xfbff), 0f)
        assertEquals(5.9604645e-8f, half(0x0001), 0f)
        assertEquals(6.1035156e-5f, half(0x0400), 0f)
        assertEquals(Float.NEGATIVE_INFINITY, half(0xfc00), 0f)
        assertTrue(half(0x7e00).isNaN())
    }

    @Test
    fun readingLeavesTheBufferAlone() {
        val buffer = bytes(1, 2, 3, 4)
        buffer.values(DType.INT16)
        assertArrayEquals(byteArrayOf(1, 2, 3, 4), buffer.toBytes())
        assertEquals(0, buffer.position())
    }

    @Test
    fun halfAnElementIsRefused() {
        assertThrows(IllegalArgumentException::class.java) { bytes(1, 2, 3).values(DType.INT16) }
    }

    @Test
    fun namesAreNumpys() {
        assertEquals(DType.UINT8, DType.named("uint8"))
        assertEquals(null, DType.named("bfloat16"))
    }

    private fun bytes(vararg values: Int) = bufferOf(ByteArray(values.size) { values[it].toByte() })
}
