package dev.edgekit.core

import java.io.ByteArrayInputStream
import java.io.FileNotFoundException
import java.nio.ByteBuffer

/** A small bundle in memory: a model of two values in and two out, with golden vectors of a doubling. */
class Bundles(val inputs: List<List<Float>> = listOf(listOf(1f, 2f), listOf(-3f, 0.5f))) {
    val model: ByteArray = "a model".toByteArray()
    val files: MutableMap<String, ByteArray> = linkedMapOf("edgekit/model.tflite" to model)

    init {
        for ((index, values) in inputs.withIndex()) {
            files["edgekit/golden/tflite_${index}_in0.bin"] = floats(values)
            files["edgekit/golden/tflite_${index}_out0.bin"] = floats(values.map { it * 2 })
        }
        files["edgekit/bundle.json"] = manifest().toByteArray()
    }

    val reader = BundleFiles { path -> ByteArrayInputStream(files[path] ?: throw FileNotFoundException(path)) }

    /** The manifest's text; [change] may replace parts of it. */
    fun manifest(change: (String) -> String = { it }): String = change(
        """
        {"schema": "edgekit/bundle/1", "name": "doubling", "recipe": "a-recipe", "device": null, "edgekit": "0.1.0",
         "delivery": "assets", "abis": ["arm64-v8a"], "labels": ["no", "yes"], "preprocess": null,
         "models": [{"format": "tflite", "flavor": "litert", "file": "edgekit/model.tflite",
           "sha256": "${sha256(model)}", "bytes": ${model.size}, "scheme": "fp32",
           "runtime": {"name": "litert 2.3.0", "coordinate": "com.google.ai.edge.litert:litert:2.3.0"},
           "exporter": {"litert-torch": "0.10.0"}, "threads": 2,
           "inputs": [{"name": "x", "shape": [1, 2], "dtype": "float32", "layout": null, "quant": null}],
           "outputs": [{"name": "y", "shape": [1, 2], "dtype": "float32", "layout": null, "quant": null}],
           "golden": [${inputs.indices.joinToString { vector(it) }}],
           "predicted": {"ms": 0.11, "low_ms": 0.06, "high_ms": 0.2, "device": "pixel-8"}}]}
        """.trimIndent(),
    )

    private fun vector(index: Int): String {
        val output = golden("tflite_${index}_out0", """, "tolerance": 0.01""")
        return """{"inputs": [${golden("tflite_${index}_in0")}], "outputs": [$output]}"""
    }

    private fun golden(name: String, more: String = ""): String {
        val file = "edgekit/golden/$name.bin"
        val sha256 = sha256(files.getValue(file))
        return """{"file": "$file", "sha256": "$sha256", "shape": [1, 2], "dtype": "float32"$more}"""
    }

    fun request(
        id: String? = "run1",
        model: String? = "edgekit/model.tflite",
        sha256: String? = sha256(this.model),
        warmup: Int = 3,
        runs: Int = 5,
        threads: Int = 2,
    ) = BenchmarkRequest(id, model, sha256, warmup, runs, threads)

    companion object {
        fun floats(values: List<Float>): ByteArray =
            newBuffer(values.size * 4).apply { values.forEach { putFloat(it) } }.toBytes()
    }
}

/** Doubles its one float32 input and adds [error]; counts its runs. */
class Doubling(private val error: Float = 0f) : Session {
    var runs = 0
    var closed = false

    override fun run(inputs: List<ByteBuffer>): List<ByteBuffer> {
        runs++
        return listOf(bufferOf(Bundles.floats(inputs.single().values(DType.FLOAT32).map { it.toFloat() * 2 + error })))
    }

    override fun close() {
        closed = true
    }
}
