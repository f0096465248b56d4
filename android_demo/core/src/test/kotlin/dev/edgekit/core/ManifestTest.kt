package dev.edgekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ManifestTest {
    private val bundles = Bundles()

    @Test
    fun everyKeyIsRead() {
        val manifest = readManifest(bundles.manifest())
        assertEquals("doubling", manifest.name)
        assertNull(manifest.device)
        assertEquals(listOf("no", "yes"), manifest.labels)
        assertNull(manifest.preprocess)
        val model = manifest.model("tflite")
        assertEquals(7L, model.bytes)
        assertEquals(mapOf("litert-torch" to "0.10.0"), model.exporter)
        assertEquals(RuntimeSpec("litert 2.3.0", "com.google.ai.edge.litert:litert:2.3.0"), model.runtime)
        assertEquals(TensorSpec("x", listOf(1, 2), DType.FLOAT32, null, null), model.inputs.single())
        assertEquals(2, model.golden.size)
        assertNull(model.golden[0].inputs[0].tolerance)
        assertEquals(0.01, model.golden[0].outputs[0].tolerance!!, 0.0)
        assertEquals(Predicted(0.11, 0.06, 0.2, "pixel-8"), model.predicted)
    }

    @Test
    fun quantisationLayoutAndNamedDimensionsAreRead() {
        val spec = """{"name": "x", "shape": ["batch", 2], "dtype": "int8", "layout": "nhwc",
            "quant": {"scale": [0.5], "zero_point": [-3], "axis": null}}"""
        val manifest = readManifest(bundles.manifest { it.replaceFirst(Regex("""\{"name": "x".*?null\}"""), spec) })
        val input = manifest.models[0].inputs[0]
        val quant = Quant(listOf(0.5), listOf(-3), null)
        assertEquals(TensorSpec("x", listOf(null, 2), DType.INT8, Layout.NHWC, quant), input)
        assertEquals(listOf(1, 2), manifest.models[0].inputShape(0))
    }

    @Test
    fun preprocessIsRead() {
        val read = readManifest(bundles.manifest { it.replace("\"preprocess\": null", "\"preprocess\": $PREPROCESS") })
        val expected = Preprocess(
            Layout.NHWC, Color.BGR, ImageSize(8, 6), Interpolation.BICUBIC, 0.5f, listOf(1f, 2f, 3f), listOf(4f),
        )
        assertEquals(expected, read.preprocess)
    }

    @Test
    fun wrongDocumentsSayWhatIsWrong() {
        assertTrue(fails { "not json" }.contains("is not JSON"))
        val schema = fails { it.replace("edgekit/bundle/1", "edgekit/bundle/2") }
        assertTrue(schema, schema.contains("edgekit/bundle/2") && schema.contains("edgekit/bundle/1"))
        assertEquals("recipe is missing in edgekit/bundle.json", fails { it.replace("\"recipe\"", "\"recipes\"") })
        assertEquals(
            "models[0].inputs[0].shape is missing in edgekit/bundle.json",
            fails { it.replaceFirst("\"shape\": [1, 2], \"dtype\": \"float32\", \"layout\"", "\"layout\"") },
        )
        assertEquals(
            "models[0].threads is two, not a number",
            fails { it.replace("\"threads\": 2", "\"threads\": \"two\"") },
        )
        assertEquals(
            "models[0].threads is 2.5, not a whole number",
            fails { it.replace("\"threads\": 2", "\"threads\": 2.5") },
        )
        val dtype = fails { it.replaceFirst("\"dtype\": \"float32\"", "\"dtype\": \"complex64\"") }
        assertTrue(dtype, dtype.startsWith("models[0].inputs[0].dtype is 'complex64', not one of float32"))
        assertEquals("abis[0] is 64, not a string", fails { it.replace("\"arm64-v8a\"", "64") })
    }

    @Test
    fun wrongPreprocessSaysWhatIsWrong() {
        fun message(from: String, to: String) =
            fails { it.replace("\"preprocess\": null", "\"preprocess\": " + PREPROCESS.replace(from, to)) }
        assertEquals("preprocess.color is 'cmyk', not one of rgb, bgr, gray", message("\"bgr\"", "\"cmyk\""))
        assertEquals("preprocess.mean has 2 values for 3 channels", message("[1, 2, 3]", "[1, 2]"))
        assertEquals("preprocess.resize is [8], not [height, width] above 0", message("[8, 6]", "[8]"))
    }

    @Test
    fun anotherFormatNamesWhatThereIs() {
        val message = assertThrows(BundleError::class.java) { readManifest(bundles.manifest()).model("onnx") }.message
        assertTrue(message, message!!.startsWith("the bundle has no onnx model, only tflite"))
    }

    private fun fails(change: (String) -> String): String =
        assertThrows(BundleError::class.java) { readManifest(bundles.manifest(change)) }.message!!

    private companion object {
        const val PREPROCESS = """{"layout": "nhwc", "color": "bgr", "resize": [8, 6], "interpolation": "bicubic",
            "scale": 0.5, "mean": [1, 2, 3], "std": [4]}"""
    }
}
