package dev.edgekit.core

import java.io.IOException
import java.nio.ByteBuffer
import kotlin.math.abs

/** One golden vector's worst output: the largest difference and what was allowed. */
data class GoldenResult(val maxAbs: Double, val tolerance: Double, val pass: Boolean)

/** Largest absolute difference, NaN where only one side is NaN. Two NaN, or equal infinities, do not differ. */
fun maxAbsDifference(found: DoubleArray, expected: DoubleArray): Double {
    require(found.size == expected.size) { "${found.size} values, ${expected.size} in the golden vector" }
    var largest = 0.0
    for (i in found.indices) {
        val same = found[i] == expected[i] || found[i].isNaN() && expected[i].isNaN()
        val difference = if (same) 0.0 else abs(found[i] - expected[i])
        if (difference.isNaN()) return Double.NaN
        largest = maxOf(largest, difference)
    }
    return largest
}

/** What the model gave for a golden vector's inputs against its outputs, in the outputs' own units. */
fun compare(found: List<ByteBuffer>, vector: GoldenVector, expected: List<ByteBuffer>): GoldenResult {
    require(found.size == expected.size) { "${found.size} outputs, ${expected.size} in the golden vector" }
    return found.indices.map { i ->
        val output = vector.outputs[i]
        val difference = maxAbsDifference(found[i].values(output.dtype), expected[i].values(output.dtype))
        val tolerance = output.tolerance ?: 0.0
        // NaN compares as false, so it fails.
        GoldenResult(difference, tolerance, difference <= tolerance)
    }.maxWith(compareBy<GoldenResult> { !it.pass }.thenBy { it.maxAbs - it.tolerance })
}

/** A golden tensor's bytes, checked by size and SHA-256. Throws [BundleError]. */
fun readGolden(files: BundleFiles, tensor: GoldenTensor): ByteBuffer {
    val bytes = try {
        files.open(tensor.file).use { it.readBytes() }
    } catch (error: IOException) {
        throw BundleError("the bundle's ${tensor.file} cannot be read: ${error.message}", error)
    }
    if (bytes.size != tensor.bytes || sha256(bytes) != tensor.sha256) {
        throw BundleError("${tensor.file} is not the file that edgekit/bundle.json names; run 'edgekit bundle' again")
    }
    return bufferOf(bytes)
}

/** Runs one golden vector. */
fun checkGolden(session: Session, files: BundleFiles, vector: GoldenVector): GoldenResult {
    val found = session.run(vector.inputs.map { readGolden(files, it) })
    return compare(found, vector, vector.outputs.map { readGolden(files, it) })
}
