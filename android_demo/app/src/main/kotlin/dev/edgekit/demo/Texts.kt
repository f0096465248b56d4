package dev.edgekit.demo

import android.content.Context
import dev.edgekit.core.BundleModel
import dev.edgekit.core.GoldenResult
import dev.edgekit.core.Manifest
import dev.edgekit.core.Times
import dev.edgekit.core.shortNumber

/** Results in words. */
class Texts(private val context: Context) {

    fun model(manifest: Manifest, model: BundleModel): String = context.getString(
        R.string.model_line, manifest.name, model.scheme, BuildConfig.RUNTIME, model.file, model.threads,
    )

    fun classified(found: Demo.Classified, labels: List<String>?): String {
        val classes = found.best.joinToString("\n") {
            "${labels?.getOrNull(it.index) ?: "class ${it.index}"}   ${shortNumber(it.probability * 100)} %"
        }
        return "$classes\n${context.getString(R.string.time_line, shortNumber(found.ms))}"
    }

    fun golden(results: List<GoldenResult>): String {
        if (results.isEmpty()) return context.getString(R.string.golden_none)
        return results.withIndex().joinToString("\n") { (index, result) ->
            val verdict = context.getString(if (result.pass) R.string.pass else R.string.fail)
            context.getString(
                R.string.golden_line, index + 1, verdict, shortNumber(result.maxAbs), shortNumber(result.tolerance),
            )
        }
    }

    fun benchmark(found: Times, model: BundleModel): String {
        val measured = context.getString(
            R.string.benchmark_line, shortNumber(found.medianMs), shortNumber(found.p10Ms), shortNumber(found.p90Ms),
            Demo.RUNS, Demo.WARMUP,
        )
        val predicted = model.predicted ?: return measured
        return measured + "\n" + context.getString(
            R.string.predicted_line, shortNumber(predicted.ms), shortNumber(predicted.lowMs),
            shortNumber(predicted.highMs), predicted.device,
        )
    }
}
