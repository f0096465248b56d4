package dev.edgekit.core

/** What `edgekit/bundle.json` says: models, how to prepare an image, and vectors to check them with. */
data class Manifest(
    val name: String,
    val recipe: String,
    val device: String?,
    val edgekit: String,
    val delivery: String,
    val abis: List<String>,
    val labels: List<String>?,
    val preprocess: Preprocess?,
    val models: List<BundleModel>,
) {
    /** The model of a format; an app has one runtime and so one format. */
    fun model(format: String): BundleModel = models.find { it.format == format } ?: throw BundleError(
        "the bundle has no $format model, only ${models.joinToString { it.format }}; " +
            "write it again with a recipe that exports $format",
    )
}

data class BundleModel(
    val format: String,
    val flavor: String,
    val file: String,
    val sha256: String,
    val bytes: Long,
    val scheme: String,
    val runtime: RuntimeSpec,
    val exporter: Map<String, String>,
    val threads: Int,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
    val golden: List<GoldenVector>,
    val predicted: Predicted?,
) {
    /** An input's shape in numbers: a dimension with only a name takes the golden vectors' number. */
    fun inputShape(index: Int): List<Int> {
        val known = golden.firstOrNull()?.inputs?.getOrNull(index)?.shape
        return inputs[index].shape.mapIndexed { axis, dimension ->
            dimension ?: known?.getOrNull(axis) ?: throw BundleError(
                "dimension $axis of the input ${inputs[index].name} has no number and no golden vector gives one",
            )
        }
    }
}

data class RuntimeSpec(val name: String, val coordinate: String)

/** A dimension is null where it has a name and no number. */
data class TensorSpec(
    val name: String,
    val shape: List<Int?>,
    val dtype: DType,
    val layout: Layout?,
    val quant: Quant?,
)

/** real = (stored - zeroPoint) * scale; one entry, or one an entry of [axis]. */
data class Quant(val scale: List<Double>, val zeroPoint: List<Int>, val axis: Int?)

data class GoldenVector(val inputs: List<GoldenTensor>, val outputs: List<GoldenTensor>)

/** [tolerance] is null for an input. */
data class GoldenTensor(
    val file: String,
    val sha256: String,
    val shape: List<Int>,
    val dtype: DType,
    val tolerance: Double?,
) {
    val bytes: Int get() = shape.fold(dtype.bytes) { size, dimension -> size * dimension }
}

data class Predicted(val ms: Double, val lowMs: Double, val highMs: Double, val device: String)
