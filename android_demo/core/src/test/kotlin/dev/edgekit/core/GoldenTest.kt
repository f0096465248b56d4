package dev.edgekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class GoldenTest {
    private val bundles = Bundles()
    private val model = readManifest(bundles.manifest()).models[0]

    @Test
    fun theSameModelPasses() {
        for (vector in model.golden) {
            assertEquals(GoldenResult(0.0, 0.01, true), checkGolden(Doubling(), bundles.reader, vector))
        }
    }

    @Test
    fun aSmallDifferencePassesAndALargeOneFails() {
        val small = checkGolden(Doubling(error = 0.0078125f), bundles.reader, model.golden[0])
        assertEquals(GoldenResult(0.0078125, 0.01, true), small)
        val large = checkGolden(Doubling(error = -0.5f), bundles.reader, model.golden[0])
        assertEquals(GoldenResult(0.5, 0.01, false), large)
    }

    @Test
    fun nanOnOneSideFails() {
        val result = checkGolden(Doubling(error = Float.NaN), bundles.reader, model.golden[0])
        assertTrue(result.maxAbs.isNaN())
        assertFalse(result.pass)
    }

    @Test
    fun nanOnBothSidesDoesNotDiffer() {
        val expected = doubleArrayOf(Double.NaN, 1.0)
        assertEquals(0.25, maxAbsDifference(doubleArrayOf(Double.NaN, 0.75), expected), 0.0)
        assertTrue(maxAbsDifference(doubleArrayOf(1.0, 1.0), expected).isNaN())
        assertTrue(maxAbsDifference(doubleArrayOf(Double.NaN, Double.NaN), expected).isNaN())
    }

    @Test
    fun equalInfinitiesDoNotDiffer() {
        val infinite = doubleArrayOf(Double.POSITIVE_INFINITY, 1.0)
        assertEquals(0.25, maxAbsDifference(infinite, doubleArrayOf(Double.POSITIVE_INFINITY, 0.75)), 0.0)
        assertEquals(Double.POSITIVE_INFINITY, maxAbsDifference(infinite, doubleArrayOf(1.0, 1.0)), 0.0)
    }

    @Test
    fun theWorstOfSeveralOutputsCounts() {
        val outputs = listOf(1.0, 0.1).map { GoldenTensor("f", "0", listOf(1), DType.FLOAT32, it) }
        val expected = listOf(0f, 0f).map { bufferOf(Bundles.floats(listOf(it))) }
        val found = listOf(0.9f, 0.5f).map { bufferOf(Bundles.floats(listOf(it))) }
        assertEquals(GoldenResult(0.5, 0.1, false), compare(found, GoldenVector(emptyList(), outputs), expected))
    }

    @Test
    fun anotherNumberOfValuesIsRefused() {
        assertThrows(IllegalArgumentException::class.java) { maxAbsDifference(doubleArrayOf(1.0), doubleArrayOf()) }
    }

    @Test
    fun aChangedFileIsRefused() {
        val file = model.golden[0].inputs[0].file
        bundles.files.getValue(file)[0] = 1
        val error = assertThrows(BundleError::class.java) { readGolden(bundles.reader, model.golden[0].inputs[0]) }
        assertTrue(error.message, error.message!!.startsWith("$file is not the file that"))
        bundles.files.remove(file)
        val gone = assertThrows(BundleError::class.java) { readGolden(bundles.reader, model.golden[0].inputs[0]) }
        assertTrue(gone.message, gone.message!!.contains("cannot be read"))
    }
}
