package dev.edgekit.core

/** An image of 8-bit channels, row by row, [channels] bytes a pixel: 3 are red, green and blue, 1 is gray. */
class Pixels(val width: Int, val height: Int, val channels: Int, val data: ByteArray) {
    init {
        require(channels == 1 || channels == 3) { "an image has 1 or 3 channels, not $channels" }
        require(data.size == width * height * channels) {
            "$width x $height pixels of $channels channels are not ${data.size} bytes"
        }
    }

    fun at(x: Int, y: Int, channel: Int): Int = data[(y * width + x) * channels + channel].toInt() and 0xff

    /** One channel of brightness, by the weights of ITU-R 601-2 in 16-bit fixed point. */
    fun gray(): Pixels {
        if (channels == 1) return this
        val gray = ByteArray(width * height) {
            val red = data[it * 3].toInt() and 0xff
            val green = data[it * 3 + 1].toInt() and 0xff
            val blue = data[it * 3 + 2].toInt() and 0xff
            (red * 19595 + green * 38470 + blue * 7471 + 0x8000 shr 16).toByte()
        }
        return Pixels(width, height, 1, gray)
    }

    /** Opaque ARGB, as a bitmap takes it. */
    fun toArgb(): IntArray = IntArray(width * height) {
        val start = it * channels
        val red = data[start].toInt() and 0xff
        val green = if (channels == 3) data[start + 1].toInt() and 0xff else red
        val blue = if (channels == 3) data[start + 2].toInt() and 0xff else red
        -0x1000000 or (red shl 16) or (green shl 8) or blue
    }

    /** Mean brightness of the outermost pixels: what an image's background most likely is. */
    fun borderBrightness(): Double {
        val gray = gray()
        val border = (0 until width * height).filter {
            val x = it % width
            val y = it / width
            x == 0 || y == 0 || x == width - 1 || y == height - 1
        }
        return border.map { gray.data[it].toInt() and 0xff }.average()
    }

    companion object {
        /** An opaque bitmap's ARGB as red, green and blue. */
        fun fromArgb(argb: IntArray, width: Int, height: Int): Pixels {
            val data = ByteArray(width * height * 3)
            for (i in argb.indices) {
                data[i * 3] = (argb[i] shr 16).toByte()
                data[i * 3 + 1] = (argb[i] shr 8).toByte()
                data[i * 3 + 2] = argb[i].toByte()
            }
            return Pixels(width, height, 3, data)
        }
    }
}
