package dev.edgekit.core

import java.nio.ByteBuffer

/** Whether a model classifies a picture: how it takes one, or why not. */
sealed interface ImageUse {
    class Ready(val input: ImageInput) : ImageUse

    class Not(val reason: String) : ImageUse
}

/** How a picture becomes the one input of a model, and back. */
class ImageInput(val how: Preprocess, val layout: Layout, val size: ImageSize, private val spec: TensorSpec) {

    /** The picture as the model's input tensor. */
    fun tensor(image: Pixels): ByteBuffer {
        val color = if (how.color == Color.GRAY) image.gray() else image
        return quantize(normalize(resize(color, size, how.interpolation), how, layout), spec)
    }

    /** The picture that an input tensor shows. */
    fun picture(tensor: ByteBuffer): Pixels = denormalize(dequantize(tensor, spec), size, how, layout)
}

/** Whether [model] of [manifest] classifies a picture. */
fun imageUse(manifest: Manifest, model: BundleModel): ImageUse {
    val how = manifest.preprocess ?: return ImageUse.Not("the bundle does not say how to prepare an image")
    val spec = model.inputs.singleOrNull() ?: return ImageUse.Not("the model has ${model.inputs.size} inputs")
    if (spec.shape.size != 4) return ImageUse.Not("the input has ${spec.shape.size} dimensions and an image has 4")
    val shape = model.inputShape(0)
    val layout = spec.layout ?: how.layout
    val (channels, height, width) = if (layout == Layout.NCHW) shape.drop(1) else listOf(shape[3], shape[1], shape[2])
    return when {
        shape[0] != 1 -> ImageUse.Not("the model takes ${shape[0]} images at once")
        channels != how.channels -> ImageUse.Not("the input has $channels channels, preprocess() ${how.channels}")
        how.resize != null && how.resize != ImageSize(height, width) ->
            ImageUse.Not("preprocess() resizes to ${how.resize.height} x ${how.resize.width}, " +
                "the input is $height x $width")
        !model.givesClasses() -> ImageUse.Not("the output is no list of classes")
        !spec.takesPixels() -> ImageUse.Not("the input is ${spec.dtype.label}")
        else -> ImageUse.Ready(ImageInput(how, layout, ImageSize(height, width), spec))
    }
}

/** One output with one dimension that is more than 1; a batch that has only a name was 1 already for the input. */
private fun BundleModel.givesClasses(): Boolean {
    val shape = outputs.singleOrNull()?.shape ?: return false
    return shape.count { it != null && it > 1 } == 1
}

private fun TensorSpec.takesPixels() = when (dtype) {
    DType.FLOAT32 -> quant == null
    DType.INT8, DType.UINT8 -> quant != null && quant.scale.size == 1
    else -> false
}
