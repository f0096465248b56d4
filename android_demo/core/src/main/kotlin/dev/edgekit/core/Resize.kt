package dev.edgekit.core

/** The image at another size, bit for bit as `Image.resize` of Pillow 13 makes it from 8-bit channels. */
fun resize(image: Pixels, size: ImageSize, interpolation: Interpolation): Pixels {
    if (image.width == size.width && image.height == size.height) return image
    return when (interpolation) {
        Interpolation.NEAREST -> nearest(image, size)
        Interpolation.BILINEAR -> resample(image, size, Kernel.BILINEAR)
        Interpolation.BICUBIC -> resample(image, size, Kernel.BICUBIC)
    }
}

private fun nearest(image: Pixels, size: ImageSize): Pixels {
    val columns = sources(image.width, size.width)
    val rows = sources(image.height, size.height)
    val channels = image.channels
    val data = ByteArray(size.width * size.height * channels)
    var to = 0
    for (row in rows) {
        for (column in columns) {
            val from = (row * image.width + column) * channels
            for (channel in 0 until channels) data[to++] = image.data[from + channel]
        }
    }
    return Pixels(size.width, size.height, channels, data)
}

/** The input position of every output position. Summed up, not multiplied: rounding errors are Pillow's too. */
private fun sources(from: Int, to: Int): IntArray {
    val step = from.toDouble() / to
    var position = step * 0.5
    return IntArray(to) { position.toInt().also { position += step } }
}

/** One axis after the other with 8 bits between them; an axis that keeps its size is left alone. */
private fun resample(image: Pixels, size: ImageSize, kernel: Kernel): Pixels {
    val lost = ImageSize(image.height - size.height, image.width - size.width)
    // Horizontal first; but since Pillow 13 vertical first where that axis loses more than twice as many pixels.
    return if (lost.height > 0 && lost.height > lost.width * 2) {
        horizontal(vertical(image, size.height, kernel), size.width, kernel)
    } else {
        vertical(horizontal(image, size.width, kernel), size.height, kernel)
    }
}

private fun horizontal(image: Pixels, width: Int, kernel: Kernel): Pixels {
    if (image.width == width) return image
    val columns = weights(kernel, image.width, width)
    val channels = image.channels
    val data = ByteArray(columns.size * image.height * channels)
    for (y in 0 until image.height) {
        for ((x, weights) in columns.withIndex()) {
            val start = (y * image.width + weights.first) * channels
            val to = (y * columns.size + x) * channels
            for (c in 0 until channels) data[to + c] = weighted(image.data, start + c, channels, weights.values)
        }
    }
    return Pixels(columns.size, image.height, channels, data)
}

private fun vertical(image: Pixels, height: Int, kernel: Kernel): Pixels {
    if (image.height == height) return image
    val rows = weights(kernel, image.height, height)
    val stride = image.width * image.channels
    val data = ByteArray(rows.size * stride)
    for ((y, weights) in rows.withIndex()) {
        val start = weights.first * stride
        for (x in 0 until stride) data[y * stride + x] = weighted(image.data, start + x, stride, weights.values)
    }
    return Pixels(image.width, rows.size, image.channels, data)
}

private fun weighted(data: ByteArray, start: Int, stride: Int, weights: IntArray): Byte {
    var sum = 1 shl PRECISION_BITS - 1
    var at = start
    for (weight in weights) {
        sum += (data[at].toInt() and 0xff) * weight
        at += stride
    }
    return (sum shr PRECISION_BITS).coerceIn(0, 255).toByte()
}
