package dev.edgekit.demo

import android.content.Context
import dev.edgekit.core.BundleError
import dev.edgekit.core.BundleModel
import dev.edgekit.core.GoldenResult
import dev.edgekit.core.ImageUse
import dev.edgekit.core.Manifest
import dev.edgekit.core.Pixels
import dev.edgekit.core.Ranked
import dev.edgekit.core.Session
import dev.edgekit.core.Times
import dev.edgekit.core.checkGolden
import dev.edgekit.core.dequantize
import dev.edgekit.core.imageUse
import dev.edgekit.core.probabilities
import dev.edgekit.core.readGolden
import dev.edgekit.core.readManifest
import dev.edgekit.core.timeRuns
import dev.edgekit.core.times
import dev.edgekit.core.topK
import java.io.Closeable

/** The app's model, loaded. Not for the main thread, and not for several threads at once. */
class Demo private constructor(
    val manifest: Manifest,
    val model: BundleModel,
    private val files: AppFiles,
    private val session: Session,
) : Closeable by session {

    val image: ImageUse = imageUse(manifest, model)

    class Classified(val best: List<Ranked>, val ms: Double)

    /** The highest [TOP] classes of a picture, and the time of that one run. */
    fun classify(picture: Pixels): Classified {
        val input = (image as ImageUse.Ready).input.tensor(picture)
        val start = System.nanoTime()
        val output = session.run(listOf(input)).first()
        val ms = (System.nanoTime() - start) / 1e6
        return Classified(topK(probabilities(dequantize(output, model.outputs.first())), TOP), ms)
    }

    /** A golden vector's input as a picture. */
    fun sample(index: Int): Pixels =
        (image as ImageUse.Ready).input.picture(readGolden(files, model.golden[index].inputs.first()))

    fun check(): List<GoldenResult> = model.golden.map { checkGolden(session, files, it) }

    fun benchmark(): Times {
        val vector = model.golden.firstOrNull() ?: throw BundleError("the bundle has no golden vectors to run")
        val inputs = vector.inputs.map { readGolden(files, it) }
        return times(timeRuns(session, inputs, WARMUP, RUNS, System::nanoTime))
    }

    companion object {
        const val WARMUP = 5
        const val RUNS = 50
        private const val TOP = 3

        fun open(context: Context): Demo {
            val files = AppFiles(context)
            val manifest = readManifest(files)
            val model = manifest.model(Runtime.FORMAT)
            val runtime = Runtime(context)
            return Demo(manifest, model, files, runtime.open(model, runtime.place(model), model.threads))
        }
    }
}
