package dev.edgekit.core

import org.json.JSONException
import org.json.JSONObject
import java.io.FileNotFoundException

private const val SCHEMA = "edgekit/bundle/1"

/** The manifest among the app's files. Throws [BundleError], also where there is none. */
fun readManifest(files: BundleFiles): Manifest {
    val text = try {
        files.open("edgekit/bundle.json").use { it.readBytes().decodeToString() }
    } catch (error: FileNotFoundException) {
        throw BundleError("the app was built without a bundle; run 'edgekit bundle DIR --app android_demo'", error)
    }
    return readManifest(text)
}

/** Reads `edgekit/bundle.json`. Throws [BundleError]: no JSON, another schema, a key that is missing or wrong. */
fun readManifest(text: String): Manifest {
    val root = try {
        JsonNode(JSONObject(text), "")
    } catch (error: JSONException) {
        throw BundleError("edgekit/bundle.json is not JSON: ${error.message}", error)
    }
    val schema = root.text("schema")
    if (schema != SCHEMA) {
        throw BundleError(
            "edgekit/bundle.json has the schema $schema and this app reads $SCHEMA; " +
                "run 'edgekit bundle' of the edgekit version this app came with",
        )
    }
    return manifest(root)
}

private fun manifest(root: JsonNode) = Manifest(
    name = root.text("name"),
    recipe = root.text("recipe"),
    device = root.textOrNull("device"),
    edgekit = root.text("edgekit"),
    delivery = root.text("delivery"),
    abis = root.texts("abis"),
    labels = root.textsOrNull("labels"),
    preprocess = root.nodeOrNull("preprocess")?.let(::preprocess),
    models = root.nodes("models").map(::model).ifEmpty { throw BundleError("models is empty in edgekit/bundle.json") },
)

private fun preprocess(node: JsonNode): Preprocess {
    val read = Preprocess(
        layout = node.layout(),
        color = Color.valueOf(node.choice("color", listOf("rgb", "bgr", "gray")).uppercase()),
        resize = node.intsOrNull("resize")?.let { size ->
            if (size.size != 2 || size.any { it < 1 }) {
                throw BundleError("${node.path("resize")} is $size, not [height, width] above 0")
            }
            ImageSize(size[0], size[1])
        },
        interpolation = Interpolation.valueOf(
            node.choice("interpolation", listOf("nearest", "bilinear", "bicubic")).uppercase(),
        ),
        scale = node.double("scale").toFloat(),
        mean = node.doubles("mean").map { it.toFloat() },
        std = node.doubles("std").map { it.toFloat() },
    )
    for ((key, values) in listOf("mean" to read.mean, "std" to read.std)) {
        if (values.size != 1 && values.size != read.channels) {
            throw BundleError("${node.path(key)} has ${values.size} values for ${read.channels} channels")
        }
    }
    return read
}

private fun JsonNode.layout() = Layout.valueOf(choice("layout", listOf("nchw", "nhwc")).uppercase())

private fun model(node: JsonNode) = BundleModel(
    format = node.text("format"),
    flavor = node.text("flavor"),
    file = node.text("file"),
    sha256 = node.text("sha256"),
    bytes = node.long("bytes"),
    scheme = node.text("scheme"),
    runtime = node.node("runtime").let { RuntimeSpec(it.text("name"), it.text("coordinate")) },
    exporter = node.strings("exporter"),
    threads = node.int("threads"),
    inputs = node.nodes("inputs").map(::tensor),
    outputs = node.nodes("outputs").map(::tensor),
    golden = node.nodes("golden").map { vector ->
        GoldenVector(
            inputs = vector.nodes("inputs").map { golden(it, tolerance = null) },
            outputs = vector.nodes("outputs").map { golden(it, tolerance = it.double("tolerance")) },
        )
    },
    predicted = node.nodeOrNull("predicted")?.let {
        Predicted(it.double("ms"), it.double("low_ms"), it.double("high_ms"), it.text("device"))
    },
)

private fun tensor(node: JsonNode) = TensorSpec(
    name = node.text("name"),
    shape = node.shape("shape"),
    dtype = node.dtype(),
    layout = node.textOrNull("layout")?.let { node.layout() },
    quant = node.nodeOrNull("quant")?.let {
        val quant = Quant(it.doubles("scale"), it.ints("zero_point"), it.intOrNull("axis"))
        if (quant.scale.isEmpty() || quant.scale.size != quant.zeroPoint.size) {
            throw BundleError("${it.path("scale")} and ${it.path("zero_point")} have no equal number of entries")
        }
        quant
    },
)

private fun golden(node: JsonNode, tolerance: Double?) =
    GoldenTensor(node.text("file"), node.text("sha256"), node.ints("shape"), node.dtype(), tolerance)

private fun JsonNode.dtype(): DType {
    val label = text("dtype")
    return DType.named(label)
        ?: throw BundleError("${path("dtype")} is '$label', not one of ${DType.entries.joinToString { it.label }}")
}
