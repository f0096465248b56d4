package dev.edgekit.core

import java.nio.ByteBuffer

/** What a benchmark found, as far as it came; [failure] is null when all of it is there. */
class BenchmarkResult(val request: BenchmarkRequest) {
    var model: BundleModel? = null
    var loadNs: Long? = null
    var timesNs: LongArray? = null
    var golden: List<GoldenResult> = emptyList()
    var outputs: List<ByteBuffer> = emptyList()
    var failure: BenchmarkFailure? = null
}

/** How an app's runtime gets at a model. */
interface Opener {
    /** Where the runtime reads the model from: its asset, or a copy that this makes. */
    fun place(model: BundleModel): String

    fun open(model: BundleModel, place: String, threads: Int): Session
}

/** Loads a model, checks its golden vectors and times it. [format] is what this app's runtime reads. */
class Benchmark(
    private val files: BundleFiles,
    private val format: String,
    private val clock: Clock,
    private val opener: Opener,
) {
    /** Failures are in the result. */
    fun run(request: BenchmarkRequest): BenchmarkResult {
        val result = BenchmarkResult(request)
        try {
            measure(request, result)
        } catch (failure: BenchmarkFailure) {
            result.failure = failure
        }
        return result
    }

    private fun measure(request: BenchmarkRequest, result: BenchmarkResult) {
        val model = stage("bundle") { find(request) }
        result.model = model
        val vectors = stage("bundle") { model.golden.map { vector -> vector.inputs.map { readGolden(files, it) } } }
        if (vectors.isEmpty()) throw BenchmarkFailure("bundle", "${model.file} has no golden vectors to run")
        val expected = stage("bundle") { model.golden.map { vector -> vector.outputs.map { readGolden(files, it) } } }
        val place = stage("load") { opener.place(model) } // a copy is made once and is no part of loading
        val start = clock.nanoseconds()
        stage("load") { opener.open(model, place, request.threads) }.use { session ->
            result.loadNs = clock.nanoseconds() - start
            stage("run") {
                val found = vectors.map { session.run(it) }
                result.outputs = found[0]
                result.golden = found.indices.map { compare(found[it], model.golden[it], expected[it]) }
                result.timesNs = timeRuns(session, vectors[0], request.warmup, request.runs, clock)
            }
        }
    }

    private fun find(request: BenchmarkRequest): BundleModel {
        val model = readManifest(files).model(format)
        if (model.file != request.model) {
            throw BenchmarkFailure("request", "the app has ${model.file}, not ${request.model}")
        }
        val found = files.open(model.file).use { sha256(it) }
        if (found != request.sha256) {
            throw BenchmarkFailure(
                "model-changed",
                "the app's ${model.file} has SHA-256 ${found.take(12)}, not ${request.sha256.take(12)}; " +
                    "run 'edgekit bundle', then build and install the app again",
            )
        }
        return model
    }
}

/** Nanoseconds of each timed run after [warmup] others: giving inputs, running, and taking outputs. */
fun timeRuns(session: Session, inputs: List<ByteBuffer>, warmup: Int, runs: Int, clock: Clock): LongArray {
    repeat(warmup) { session.run(inputs) }
    return LongArray(runs) {
        val start = clock.nanoseconds()
        session.run(inputs)
        clock.nanoseconds() - start
    }
}

/** Whatever goes wrong in native code as a failure with a code; a failure that has one stays. */
private inline fun <T> stage(code: String, work: () -> T): T = try {
    work()
} catch (failure: BenchmarkFailure) {
    throw failure
} catch (error: Exception) {
    throw BenchmarkFailure(code, inWords(error), error)
} catch (error: LinkageError) { // a native library that is not there or does not fit
    throw BenchmarkFailure(code, inWords(error), error)
} catch (error: OutOfMemoryError) {
    throw BenchmarkFailure(code, inWords(error), error)
}

/** An error's message, or its kind where it has none. */
fun inWords(error: Throwable): String = when (error) {
    is BundleError, is BenchmarkFailure -> error.message.orEmpty()
    else -> "${error.javaClass.simpleName}: ${error.message ?: "no message"}"
}
