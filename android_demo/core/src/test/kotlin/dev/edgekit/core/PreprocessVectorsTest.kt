package dev.edgekit.core

import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.util.Base64

/** Pre-processing against edgekit's own, bit for bit; the file is written by tests/android/preprocess_vectors.py. */
class PreprocessVectorsTest {
    private val cases: List<JSONObject> = run {
        val stream = checkNotNull(javaClass.classLoader).getResourceAsStream("preprocess_vectors.json")
        val document = JSONObject(checkNotNull(stream).use { it.readBytes().decodeToString() })
        assertEquals("edgekit/preprocess-vectors/1", document.getString("schema"))
        document.getJSONArray("cases").let { array -> List(array.length()) { array.getJSONObject(it) } }
    }

    @Test
    fun everyCaseAgreesBitForBit() {
        for (case in cases) {
            val expected = bufferOf(bytes(case, "values"))
            assertArrayEquals(case.getString("name"), expected.toBytes(), input(case).tensor(image(case)).toBytes())
        }
    }

    @Test
    fun thereAreUpscalesAndDownscales() {
        assertTrue(cases.any { it.getInt("height") > it.getJSONArray("input").getInt(0) })
        assertTrue(cases.any { it.getInt("height") < it.getJSONArray("input").getInt(0) })
    }

    @Test
    fun thereAreQuantisedTensorsOfBothTypes() {
        val types = cases.filter { !it.isNull("tensor") }.map { it.getJSONObject("tensor").getString("dtype") }
        assertEquals(setOf("int8", "uint8"), types.toSet())
    }

    /** A tensor shown as a picture is the resized picture; a quantised one may have lost some of it. */
    @Test
    fun theInverseGivesThePixelsBack() {
        for (case in cases.filter { it.isNull("tensor") }) {
            val input = input(case)
            val expected = if (input.how.color == Color.GRAY) image(case).gray() else image(case)
            val resized = resize(expected, input.size, input.how.interpolation)
            val shown = input.picture(bufferOf(bytes(case, "values")))
            assertArrayEquals(case.getString("name"), resized.data, shown.data)
        }
    }

    private fun input(case: JSONObject): ImageInput {
        val node = case.getJSONObject("preprocess")
        val size = case.getJSONArray("input").let { ImageSize(it.getInt(0), it.getInt(1)) }
        val how = Preprocess(
            layout = Layout.valueOf(node.getString("layout").uppercase()),
            color = Color.valueOf(node.getString("color").uppercase()),
            resize = null,
            interpolation = Interpolation.valueOf(node.getString("interpolation").uppercase()),
            scale = node.getDouble("scale").toFloat(),
            mean = floats(node.getJSONArray("mean")),
            std = floats(node.getJSONArray("std")),
        )
        val tensor = case.optJSONObject("tensor")
        val layout = tensor?.layout() ?: how.layout
        val shape = if (layout == Layout.NCHW) {
            listOf(1, how.channels, size.height, size.width)
        } else {
            listOf(1, size.height, size.width, how.channels)
        }
        val dtype = tensor?.let { checkNotNull(DType.named(it.getString("dtype"))) } ?: DType.FLOAT32
        val quant = tensor?.let { Quant(listOf(it.getDouble("scale")), listOf(it.getInt("zero_point")), axis = null) }
        return ImageInput(how, layout, size, TensorSpec("image", shape, dtype, layout, quant))
    }

    private fun JSONObject.layout() = if (isNull("layout")) null else Layout.valueOf(getString("layout").uppercase())

    private fun image(case: JSONObject) = Pixels(case.getInt("width"), case.getInt("height"), 3, bytes(case, "pixels"))

    private fun bytes(case: JSONObject, key: String) = Base64.getDecoder().decode(case.getString(key))

    private fun floats(values: JSONArray) = List(values.length()) { values.getDouble(it).toFloat() }
}
