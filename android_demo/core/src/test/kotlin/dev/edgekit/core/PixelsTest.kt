package dev.edgekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Assert.assertThrows
import org.junit.Test

class PixelsTest {
    @Test
    fun argbGoesInAndOut() {
        val argb = intArrayOf(0xff123456.toInt(), 0xffabcdef.toInt())
        val image = Pixels.fromArgb(argb, 2, 1)
        assertEquals(listOf(0x12, 0x34, 0x56), (0..2).map { image.at(0, 0, it) })
        assertArrayEquals(argb, image.toArgb())
        assertArrayEquals(intArrayOf(0xff070707.toInt()), Pixels(1, 1, 1, byteArrayOf(7)).toArgb())
    }

    @Test
    fun grayWeighsTheColours() {
        val colours = intArrayOf(0xffff0000.toInt(), 0xff00ff00.toInt(), 0xff0000ff.toInt(), 0xffffffff.toInt())
        val gray = Pixels.fromArgb(colours, 4, 1).gray()
        assertEquals(listOf(76, 150, 29, 255), (0..3).map { gray.at(it, 0, 0) }) // Pillow's convert("L")
    }

    @Test
    fun theBorderTellsTheBackground() {
        val data = ByteArray(9) { if (it == 4) 0 else 255.toByte() }
        assertEquals(255.0, Pixels(3, 3, 1, data).borderBrightness(), 0.0)
    }

    @Test
    fun theSameSizeIsTheSameImage() {
        val image = Pixels(2, 2, 1, byteArrayOf(1, 2, 3, 4))
        for (how in Interpolation.entries) assertSame(image, resize(image, ImageSize(2, 2), how))
    }

    @Test
    fun wrongSizesAreRefused() {
        assertThrows(IllegalArgumentException::class.java) { Pixels(2, 2, 3, ByteArray(11)) }
        assertThrows(IllegalArgumentException::class.java) { Pixels(2, 2, 4, ByteArray(16)) }
    }
}
