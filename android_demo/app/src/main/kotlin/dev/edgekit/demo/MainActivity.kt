package dev.edgekit.demo

import android.app.Activity
import android.os.Bundle
import android.util.Log
import android.view.View
import android.widget.Button
import android.widget.TextView
import dev.edgekit.core.ImageUse
import dev.edgekit.core.inWords
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/** Draw and classify, check the golden vectors, and time the model. All work runs on one background thread. */
class MainActivity : Activity() {
    private val worker: ExecutorService = Executors.newSingleThreadExecutor()
    private lateinit var texts: Texts
    private lateinit var drawing: DrawView
    private lateinit var result: TextView

    // Only the worker opens it; the main thread reads it after that.
    @Volatile
    private var demo: Demo? = null
    private var sample = -1
    private var light = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        texts = Texts(this)
        drawing = findViewById(R.id.drawing)
        result = findViewById(R.id.result)
        on(R.id.clear) { wipe() }
        on(R.id.next_sample) { nextSample() }
        on(R.id.classify) { classify() }
        on(R.id.check_golden) { work({ it.check() }) { texts.golden(it) } }
        on(R.id.benchmark) { demo?.let { open -> work({ it.benchmark() }) { texts.benchmark(it, open.model) } } }
        enable(image = false, model = false)
        load()
    }

    override fun onDestroy() {
        super.onDestroy()
        worker.execute { demo?.close() }
        worker.shutdown()
    }

    private fun load() = inBackground({ Demo.open(this).also { demo = it } }) { opened ->
        findViewById<TextView>(R.id.model).text = texts.model(opened.manifest, opened.model)
        enable(image = opened.image is ImageUse.Ready, model = true)
        when (val image = opened.image) {
            is ImageUse.Ready -> {
                result.text = getString(R.string.ready)
                nextSample()
            }
            is ImageUse.Not -> result.text = getString(R.string.no_image, image.reason)
        }
    }

    private fun classify() {
        val picture = drawing.pixels()
        work({ it.classify(picture) }) { found -> texts.classified(found, demo?.manifest?.labels) }
    }

    private fun nextSample() {
        val count = demo?.model?.golden?.size ?: 0
        if (count == 0) return
        sample = (sample + 1) % count
        val shown = sample
        work({ it.sample(shown) }) { picture ->
            light = picture.borderBrightness() >= MIDDLE // the ink that stands out as the model's pictures do
            drawing.wipe(light)
            drawing.show(picture)
            getString(R.string.sample, shown + 1, count)
        }
    }

    private fun wipe() {
        drawing.wipe(light)
        result.text = getString(R.string.ready)
    }

    /** Runs [task] on the loaded model, then shows what [words] says. */
    private fun <T> work(task: (Demo) -> T, words: (T) -> String) {
        val open = demo ?: return
        result.text = getString(R.string.working)
        inBackground({ task(open) }) { result.text = words(it) }
    }

    private fun <T> inBackground(task: () -> T, done: (T) -> Unit) = worker.execute {
        try {
            val found = task()
            runOnUiThread { if (!isDestroyed) done(found) }
        } catch (error: Exception) {
            failed(error)
        } catch (error: LinkageError) { // the runtime's native library
            failed(error)
        } catch (error: OutOfMemoryError) {
            failed(error)
        }
    }

    private fun failed(error: Throwable) {
        Log.e("edgekit", "failed", error)
        runOnUiThread { result.text = getString(R.string.failed, inWords(error)) }
    }

    private fun enable(image: Boolean, model: Boolean) {
        drawing.visibility = if (image) View.VISIBLE else View.GONE
        for (id in listOf(R.id.classify, R.id.clear, R.id.next_sample)) findViewById<Button>(id).isEnabled = image
        for (id in listOf(R.id.check_golden, R.id.benchmark)) findViewById<Button>(id).isEnabled = model
    }

    private fun on(id: Int, action: () -> Unit) = findViewById<Button>(id).setOnClickListener { action() }

    private companion object {
        const val MIDDLE = 128
    }
}
