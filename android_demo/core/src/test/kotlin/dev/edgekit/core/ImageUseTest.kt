package dev.edgekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class ImageUseTest {
    private val how = Preprocess(
        Layout.NCHW, Color.RGB, null, Interpolation.BILINEAR, 1f / 255, listOf(0f), listOf(1f),
    )
    private var scores = TensorSpec("scores", listOf(1, 10), DType.FLOAT32, null, null)
    private val image = TensorSpec("image", listOf(1, 3, 8, 6), DType.FLOAT32, null, null)

    @Test
    fun aPictureModelIsReadyInTheTensorsOwnLayout() {
        val kept = use(how, image) as ImageUse.Ready
        assertEquals(Layout.NCHW, kept.input.layout)
        assertEquals(ImageSize(8, 6), kept.input.size)
        val other = use(how, image.copy(shape = listOf(1, 8, 6, 3), layout = Layout.NHWC)) as ImageUse.Ready
        assertEquals(Layout.NHWC, other.input.layout)
        assertEquals(ImageSize(8, 6), other.input.size)
    }

    @Test
    fun aNamedBatchTakesTheGoldenVectorsNumber() {
        val golden = GoldenTensor("f", "0", listOf(1, 3, 8, 6), DType.FLOAT32, null)
        val named = image.copy(shape = listOf(null, 3, 8, 6))
        assertTrue(imageUse(manifest(how, listOf(named), golden), model(listOf(named), golden)) is ImageUse.Ready)
    }

    @Test
    fun otherModelsSayWhyNot() {
        assertEquals("the bundle does not say how to prepare an image", reason(null, image))
        assertEquals("the model has 2 inputs", reason(how, image, image))
        assertEquals("the input has 2 dimensions and an image has 4", reason(how, image.copy(shape = listOf(1, 24))))
        assertEquals("the model takes 4 images at once", reason(how, image.copy(shape = listOf(4, 3, 8, 6))))
        assertEquals("the input has 1 channels, preprocess() 3", reason(how, image.copy(shape = listOf(1, 1, 8, 6))))
        assertEquals(
            "preprocess() resizes to 9 x 9, the input is 8 x 6",
            reason(how.copy(resize = ImageSize(9, 9)), image),
        )
        assertEquals("the input is int64", reason(how, image.copy(dtype = DType.INT64)))
        assertEquals("the input is int8", reason(how, image.copy(dtype = DType.INT8)))
    }

    @Test
    fun aModelThatGivesAPictureIsNoClassifier() {
        scores = scores.copy(shape = listOf(1, 1, 8, 6))
        assertEquals("the output is no list of classes", reason(how, image))
        scores = scores.copy(shape = listOf(null, 10, 1, 1))
        assertTrue(use(how, image) is ImageUse.Ready)
    }

    private fun reason(how: Preprocess?, vararg inputs: TensorSpec) = (use(how, *inputs) as ImageUse.Not).reason

    private fun use(how: Preprocess?, vararg inputs: TensorSpec) =
        imageUse(manifest(how, inputs.toList(), null), model(inputs.toList(), null))

    private fun manifest(how: Preprocess?, inputs: List<TensorSpec>, golden: GoldenTensor?) = Manifest(
        "n", "r", null, "0", "assets", listOf("arm64-v8a"), null, how, listOf(model(inputs, golden)),
    )

    private fun model(inputs: List<TensorSpec>, golden: GoldenTensor?) = BundleModel(
        "tflite", "litert", "edgekit/model.tflite", "0", 1, "fp32", RuntimeSpec("r", "c"), emptyMap(), 1, inputs,
        listOf(scores), listOfNotNull(golden).map { GoldenVector(listOf(it), emptyList()) }, null,
    )
}
