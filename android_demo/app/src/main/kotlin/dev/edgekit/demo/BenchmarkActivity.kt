package dev.edgekit.demo

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.view.WindowManager
import dev.edgekit.core.Benchmark
import dev.edgekit.core.BenchmarkFailure
import dev.edgekit.core.BenchmarkRequest
import dev.edgekit.core.rejectionDocument
import dev.edgekit.core.resultDocument
import java.io.File
import java.io.IOException
import java.util.concurrent.Executors

/** Runs one benchmark that `edgekit measure --app` asks for, writes its result as JSON, and closes. */
class BenchmarkActivity : Activity() {

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.benchmark)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        if (savedInstanceState != null) { // brought back by the system: its request was answered or is lost
            finish()
            return
        }
        worker.execute {
            try {
                answer()
            } finally {
                runOnUiThread { finish() }
            }
        }
    }

    private fun answer() {
        val id = intent.getStringExtra("id")
        if (id == null || !BenchmarkRequest.isId(id)) {
            Log.e(TAG, "no result: the request's id is '$id', not 1 to 32 of a-z and 0-9")
            return
        }
        try {
            write(id, result(id))
        } catch (error: IOException) {
            Log.e(TAG, "no result: it cannot be written", error)
        }
    }

    private fun result(id: String): String {
        val request = try {
            BenchmarkRequest(
                id = id,
                model = intent.getStringExtra("model"),
                sha256 = intent.getStringExtra("sha256"),
                warmup = intent.getIntExtra("warmup", -1),
                runs = intent.getIntExtra("runs", -1),
                threads = intent.getIntExtra("threads", -1),
            )
        } catch (failure: BenchmarkFailure) {
            return rejectionDocument(id, failure, surroundings(this))
        }
        val result = Benchmark(AppFiles(this), Runtime.FORMAT, System::nanoTime, Runtime(this)).run(request)
        result.failure?.let { Log.e(TAG, "benchmark $id failed: ${it.code}: ${it.message}", it) }
        return resultDocument(result, surroundings(this))
    }

    /** Renamed when it is whole: who waits for the file never reads half of it. */
    private fun write(id: String, text: String) {
        val folder = getExternalFilesDir("edgekit") ?: throw IOException("the phone has no external storage now")
        val part = File(folder, "$id.json.tmp")
        part.writeText(text)
        if (!part.renameTo(File(folder, "$id.json"))) throw IOException("${part.name} cannot be renamed")
        Log.i(TAG, "result written: $id.json")
    }

    private companion object {
        const val TAG = "edgekit"

        /** One for all requests, so that no two benchmarks run at once. */
        val worker = Executors.newSingleThreadExecutor { Thread(it, "edgekit-benchmark") }
    }
}
