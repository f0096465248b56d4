package dev.edgekit.core

import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.util.Base64

class BenchmarkTest {
    private val bundles = Bundles()
    private val session = Doubling()
    private val phone = DeviceFacts("Maker", "Phone", null, 34, listOf("arm64-v8a"), false, 0)
    private val around = Surroundings("litert 2.3.0", 4096, phone, "dev.edgekit.demo", "1")
    private var now = 0L
    private val clock = Clock { now.also { now += 10 } } // ten nanoseconds between two looks

    private fun run(
        request: BenchmarkRequest = bundles.request(),
        open: (BundleModel, Int) -> Session = { _, _ -> session },
    ) = Benchmark(bundles.reader, "tflite", clock, opener(open)).run(request)

    private fun opener(open: (BundleModel, Int) -> Session) = object : Opener {
        override fun place(model: BundleModel): String = "copy of ${model.file}".also { now += 1000 }

        override fun open(model: BundleModel, place: String, threads: Int): Session {
            assertEquals("copy of edgekit/model.tflite", place)
            return open(model, threads)
        }
    }

    @Test
    fun everyRunIsTimedAfterGoldenAndWarmup() {
        val result = run()
        assertNull(result.failure)
        assertArrayEquals(LongArray(5) { 10 }, result.timesNs)
        assertEquals(10L, result.loadNs) // without making the copy
        assertEquals(2 + 3 + 5, session.runs)
        assertTrue(session.closed)
        assertEquals(listOf(true, true), result.golden.map { it.pass })
        assertArrayEquals(doubleArrayOf(2.0, 4.0), result.outputs.single().values(DType.FLOAT32), 0.0)
    }

    @Test
    fun theModelIsOpenedWithTheRequestsThreads() {
        var seen = 0
        run(bundles.request(threads = 3)) { _, threads -> session.also { seen = threads } }
        assertEquals(3, seen)
    }

    @Test
    fun theDocumentHoldsEverything() {
        val document = JSONObject(resultDocument(run(), around))
        assertEquals("edgekit/app-result/1", document.getString("schema"))
        assertEquals("run1", document.getString("id"))
        assertEquals("ok", document.getString("status"))
        assertTrue(document.isNull("error"))
        assertEquals(sha256(bundles.model), document.getJSONObject("model").getString("sha256"))
        assertEquals("litert 2.3.0", document.getString("runtime"))
        assertEquals(listOf(2, 3, 5), listOf("threads", "warmup", "runs").map { document.getInt(it) })
        assertEquals(5, document.getJSONArray("times_ns").length())
        assertEquals(4096L, document.getLong("peak_rss_bytes"))
        val golden = document.getJSONArray("golden").getJSONObject(1)
        assertEquals(0.01, golden.getDouble("tolerance"), 0.0)
        assertTrue(golden.getBoolean("pass"))
        val output = document.getJSONArray("outputs").getJSONObject(0)
        assertEquals(listOf(1, 2), output.getJSONArray("shape").let { listOf(it.getInt(0), it.getInt(1)) })
        assertEquals("float32", output.getString("dtype"))
        assertArrayEquals(Bundles.floats(listOf(2f, 4f)), Base64.getDecoder().decode(output.getString("base64")))
        val device = document.getJSONObject("device")
        assertTrue(device.isNull("soc"))
        assertEquals("arm64-v8a", device.getJSONArray("abis").getString(0))
        assertEquals("1", document.getJSONObject("app").getString("version"))
    }

    @Test
    fun nanIsNullInTheDocumentAndFails() {
        val result = run { _, _ -> Doubling(error = Float.NaN) }
        val golden = JSONObject(resultDocument(result, around)).getJSONArray("golden").getJSONObject(0)
        assertTrue(golden.isNull("max_abs"))
        assertFalse(golden.getBoolean("pass"))
    }

    @Test
    fun failuresHaveTheirCodeAndWhatIsKnown() {
        val changed = run(bundles.request(sha256 = "0".repeat(64)))
        assertEquals("model-changed", changed.failure?.code)
        assertEquals("request", run(bundles.request(model = "edgekit/other.tflite")).failure?.code)
        val load = run { _, _ -> throw UnsatisfiedLinkError("no litert_jni") }
        assertEquals("load", load.failure?.code)
        assertEquals("UnsatisfiedLinkError: no litert_jni", load.failure?.message)
        val document = JSONObject(resultDocument(load, around))
        assertEquals("error", document.getString("status"))
        assertEquals("load", document.getJSONObject("error").getString("code"))
        assertEquals("tflite", document.getJSONObject("model").getString("format"))
        assertTrue(document.isNull("load_ns"))
        assertEquals(0, document.getJSONArray("times_ns").length())
    }

    @Test
    fun aFailingRunClosesTheSession() {
        val failing = object : Session by session {
            override fun run(inputs: List<java.nio.ByteBuffer>): List<java.nio.ByteBuffer> = error("out of order")
        }
        val result = run { _, _ -> failing }
        assertEquals("run", result.failure?.code)
        assertEquals("IllegalStateException: out of order", result.failure?.message)
        assertTrue(session.closed)
    }

    @Test
    fun aBrokenBundleIsSaid() {
        bundles.files["edgekit/bundle.json"] = "{}".toByteArray()
        val result = run()
        assertEquals("bundle", result.failure?.code)
        assertEquals("schema is missing in edgekit/bundle.json", result.failure?.message)
        bundles.files.remove("edgekit/bundle.json")
        val none = run().failure
        assertEquals("bundle", none?.code)
        assertEquals("the app was built without a bundle; run 'edgekit bundle DIR --app android_demo'", none?.message)
    }

    @Test
    fun withoutGoldenVectorsThereIsNothingToRun() {
        val empty = Bundles(inputs = emptyList())
        val result = Benchmark(empty.reader, "tflite", clock, opener { _, _ -> session }).run(empty.request())
        assertEquals("edgekit/model.tflite has no golden vectors to run", result.failure?.message)
    }

    @Test
    fun wrongRequestsAreRefused() {
        assertEquals("id is missing", refused { bundles.request(id = null) })
        assertTrue(refused { bundles.request(id = "../x") }.startsWith("id is '../x'"))
        assertTrue(refused { bundles.request(model = "edgekit/../x") }.startsWith("model is"))
        assertTrue(refused { bundles.request(sha256 = "ABC") }.startsWith("sha256 is"))
        assertEquals("runs is 0, not between 1 and 100000", refused { bundles.request(runs = 0) })
        assertEquals("warmup is -1, not between 0 and 10000", refused { bundles.request(warmup = -1) })
        assertEquals("threads is 65, not between 1 and 64", refused { bundles.request(threads = 65) })
        assertTrue(BenchmarkRequest.isId("a1"))
        assertFalse(BenchmarkRequest.isId("A1") || BenchmarkRequest.isId(null) || BenchmarkRequest.isId("a".repeat(33)))
    }

    @Test
    fun aRefusalIsADocumentToo() {
        val failure = assertThrows(BenchmarkFailure::class.java) { bundles.request(runs = 0) }
        val document = JSONObject(rejectionDocument("run1", failure, around))
        assertEquals("error", document.getString("status"))
        assertEquals("request", document.getJSONObject("error").getString("code"))
        assertEquals("Phone", document.getJSONObject("device").getString("model"))
    }

    private fun refused(make: () -> BenchmarkRequest): String {
        val failure = assertThrows(BenchmarkFailure::class.java) { make() }
        assertEquals("request", failure.code)
        return failure.message!!
    }
}
