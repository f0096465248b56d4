package dev.edgekit.demo

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import android.content.Context
import dev.edgekit.core.BundleModel
import dev.edgekit.core.DType
import dev.edgekit.core.Opener
import dev.edgekit.core.Session
import dev.edgekit.core.bufferOf
import dev.edgekit.core.fromStart
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** ONNX Runtime on the CPU; from a file, as a model of many megabytes does not fit into the Java heap. */
class Runtime(private val context: Context) : Opener {
    override fun place(model: BundleModel): String = modelFile(context, model).path

    override fun open(model: BundleModel, place: String, threads: Int): Session {
        val environment = OrtEnvironment.getEnvironment()
        // The options must outlive the session, which closes them.
        val options = OrtSession.SessionOptions().apply { setIntraOpNumThreads(threads) }
        return OrtModel(environment, environment.createSession(place, options), options, model)
    }

    companion object {
        const val FORMAT = "onnx"
    }
}

private class OrtModel(
    private val environment: OrtEnvironment,
    private val session: OrtSession,
    private val options: OrtSession.SessionOptions,
    private val model: BundleModel,
) : Session {
    private val names = session.inputNames.toList()

    override fun run(inputs: List<ByteBuffer>): List<ByteBuffer> {
        val tensors = LinkedHashMap<String, OnnxTensor>()
        try {
            for (i in inputs.indices) tensors[names[i]] = tensor(inputs[i], i)
            session.run(tensors).use { found ->
                return List(found.size()) { bufferOf((found.get(it) as OnnxTensor).byteBuffer.array()) }
            }
        } finally {
            tensors.values.forEach { it.close() }
        }
    }

    override fun close() {
        session.close()
        options.close()
    }

    /** As a buffer of the element type: of a ByteBuffer some versions count position and size in elements. */
    private fun tensor(values: ByteBuffer, index: Int): OnnxTensor {
        val data = values.duplicate().fromStart().order(ByteOrder.nativeOrder())
        val shape = model.inputShape(index).map { it.toLong() }.toLongArray()
        return when (model.inputs[index].dtype) {
            DType.FLOAT32 -> OnnxTensor.createTensor(environment, data.asFloatBuffer(), shape)
            DType.FLOAT64 -> OnnxTensor.createTensor(environment, data.asDoubleBuffer(), shape)
            DType.FLOAT16 -> OnnxTensor.createTensor(environment, data.asShortBuffer(), shape, OnnxJavaType.FLOAT16)
            DType.INT8 -> OnnxTensor.createTensor(environment, data, shape, OnnxJavaType.INT8)
            DType.UINT8 -> OnnxTensor.createTensor(environment, data, shape, OnnxJavaType.UINT8)
            DType.BOOL -> OnnxTensor.createTensor(environment, data, shape, OnnxJavaType.BOOL)
            DType.INT16 -> OnnxTensor.createTensor(environment, data.asShortBuffer(), shape)
            DType.INT32 -> OnnxTensor.createTensor(environment, data.asIntBuffer(), shape)
            DType.INT64 -> OnnxTensor.createTensor(environment, data.asLongBuffer(), shape)
        }
    }
}
