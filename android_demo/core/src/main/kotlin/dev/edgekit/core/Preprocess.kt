package dev.edgekit.core

enum class Color { RGB, BGR, GRAY }

enum class Interpolation { NEAREST, BILINEAR, BICUBIC }

enum class Layout { NCHW, NHWC }

/**
 * value = (pixel * scale - mean) / std a channel, pixels 0 to 255, after resizing. [layout] is the model's own input's;
 * [mean] and [std] have one value for each channel, or one for all.
 */
data class Preprocess(
    val layout: Layout,
    val color: Color,
    val resize: ImageSize?,
    val interpolation: Interpolation,
    val scale: Float,
    val mean: List<Float>,
    val std: List<Float>,
) {
    val channels: Int get() = if (color == Color.GRAY) 1 else 3
}

data class ImageSize(val height: Int, val width: Int)
