package dev.edgekit.core

/** The image's values for the model, in [layout]; float32 throughout, in the order numpy computes them. */
fun normalize(image: Pixels, how: Preprocess, layout: Layout): FloatArray {
    require(image.channels == how.channels) { "${how.channels} channels are wanted, the image has ${image.channels}" }
    val count = image.width * image.height
    val values = FloatArray(count * how.channels)
    for (channel in 0 until how.channels) {
        val source = how.source(channel)
        val mean = how.mean.channel(channel)
        val std = how.std.channel(channel)
        for (i in 0 until count) {
            val pixel = (image.data[i * how.channels + source].toInt() and 0xff).toFloat()
            values[layout.index(i, channel, count, how.channels)] = (pixel * how.scale - mean) / std
        }
    }
    return values
}

/** The image a model's values were made from, as near as 8 bits allow: [normalize] backwards. */
fun denormalize(values: DoubleArray, size: ImageSize, how: Preprocess, layout: Layout): Pixels {
    val count = size.height * size.width
    require(values.size == count * how.channels) { "${values.size} values are not ${size.height} x ${size.width}" }
    val data = ByteArray(values.size)
    for (channel in 0 until how.channels) {
        for (i in 0 until count) {
            val value = values[layout.index(i, channel, count, how.channels)]
            val pixel = (value * how.std.channel(channel) + how.mean.channel(channel)) / how.scale
            // NaN has no colour and becomes black.
            data[i * how.channels + how.source(channel)] = Math.rint(pixel).coerceIn(0.0, 255.0).toInt().toByte()
        }
    }
    return Pixels(size.width, size.height, how.channels, data)
}

/** The image channel that is the model's [channel]. */
private fun Preprocess.source(channel: Int) = if (color == Color.BGR) 2 - channel else channel

private fun List<Float>.channel(channel: Int) = if (size == 1) this[0] else this[channel]

private fun Layout.index(pixel: Int, channel: Int, pixels: Int, channels: Int) =
    if (this == Layout.NCHW) channel * pixels + pixel else pixel * channels + channel
