package dev.edgekit.core

import org.json.JSONArray
import org.json.JSONObject
import java.util.Base64

private const val SCHEMA = "edgekit/app-result/1"

/** The phone, as a result names it. */
data class DeviceFacts(
    val manufacturer: String,
    val model: String,
    val soc: String?,
    val sdk: Int,
    val abis: List<String>,
    val emulated: Boolean,
    val thermalStatus: Int?,
)

/** What a result says besides the benchmark itself. */
data class Surroundings(
    val runtime: String,
    val peakRssBytes: Long?,
    val device: DeviceFacts,
    val appPackage: String,
    val appVersion: String,
)

/** The result as JSON. */
fun resultDocument(result: BenchmarkResult, around: Surroundings): String {
    val request = result.request
    val model = result.model
    return document(request.id, result.failure, around)
        .put("model", model?.let { modelFacts(it) } ?: JSONObject.NULL)
        .put("threads", request.threads)
        .put("warmup", request.warmup)
        .put("runs", request.runs)
        .put("load_ns", result.loadNs ?: JSONObject.NULL)
        .put("times_ns", list(result.timesNs?.toList().orEmpty()))
        .put("golden", list(result.golden.map(::goldenFacts)))
        .put("outputs", list(result.outputs.indices.map { outputFacts(result, it) }))
        .toString(1)
}

/** The JSON for a request that could not be read; [id] is a valid one. */
fun rejectionDocument(id: String, failure: BenchmarkFailure, around: Surroundings): String =
    document(id, failure, around).toString(1)

private fun document(id: String, failure: BenchmarkFailure?, around: Surroundings): JSONObject {
    val error = failure?.let { JSONObject().put("code", it.code).put("message", it.message) }
    return JSONObject()
        .put("schema", SCHEMA)
        .put("id", id)
        .put("status", if (failure == null) "ok" else "error")
        .put("error", error ?: JSONObject.NULL)
        .put("runtime", around.runtime)
        .put("peak_rss_bytes", around.peakRssBytes ?: JSONObject.NULL)
        .put("device", deviceFacts(around.device))
        .put("app", JSONObject().put("package", around.appPackage).put("version", around.appVersion))
}

private fun modelFacts(model: BundleModel) =
    JSONObject().put("file", model.file).put("format", model.format).put("sha256", model.sha256)

/** JSON has no NaN and no infinity: such a difference is null, and the vector has failed. */
private fun goldenFacts(golden: GoldenResult) = JSONObject()
    .put("max_abs", if (golden.maxAbs.isFinite()) golden.maxAbs else JSONObject.NULL)
    .put("tolerance", golden.tolerance)
    .put("pass", golden.pass)

private fun outputFacts(result: BenchmarkResult, index: Int): JSONObject {
    val spec = checkNotNull(result.model).golden[0].outputs[index]
    return JSONObject()
        .put("shape", list(spec.shape))
        .put("dtype", spec.dtype.label)
        .put("base64", Base64.getEncoder().encodeToString(result.outputs[index].toBytes()))
}

private fun deviceFacts(device: DeviceFacts) = JSONObject()
    .put("manufacturer", device.manufacturer)
    .put("model", device.model)
    .put("soc", device.soc ?: JSONObject.NULL)
    .put("sdk", device.sdk)
    .put("abis", list(device.abis))
    .put("emulated", device.emulated)
    .put("thermal_status", device.thermalStatus ?: JSONObject.NULL)

/** Element by element: Android's JSONArray(Collection) does not turn lists inside into arrays. */
private fun list(values: List<Any>): JSONArray = JSONArray().also { array -> values.forEach { array.put(it) } }
