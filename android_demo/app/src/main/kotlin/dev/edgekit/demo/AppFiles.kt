package dev.edgekit.demo

import android.content.Context
import dev.edgekit.core.BundleError
import dev.edgekit.core.BundleFiles
import dev.edgekit.core.BundleModel
import dev.edgekit.core.sha256
import java.io.File
import java.io.InputStream

/** The bundle in the app's assets. */
class AppFiles(private val context: Context) : BundleFiles {
    override fun open(path: String): InputStream = context.assets.open(path)
}

/**
 * The model as a file, for runtimes that read no assets. Copied once: under a temporary name and renamed when it is
 * whole, and again when the app came with another model.
 */
fun modelFile(context: Context, model: BundleModel): File {
    val folder = File(context.filesDir, "edgekit")
    val file = File(folder, "${model.sha256}-${File(model.file).name}")
    if (file.length() == model.bytes && file.inputStream().use { sha256(it) } == model.sha256) return file
    folder.deleteRecursively() // models of former versions of the app
    if (!folder.mkdirs()) throw BundleError("no folder can be made for the model; is the phone's storage full?")
    val part = File.createTempFile("model", ".part", folder)
    context.assets.open(model.file).use { from -> part.outputStream().use { from.copyTo(it) } }
    if (part.inputStream().use { sha256(it) } != model.sha256) {
        throw BundleError("${model.file} is not the model that edgekit/bundle.json names; run 'edgekit bundle' again")
    }
    if (!part.renameTo(file)) throw BundleError("the model's copy cannot be renamed to ${file.name}")
    return file
}
