package dev.edgekit.demo

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import dev.edgekit.core.BundleModel
import dev.edgekit.core.DType
import dev.edgekit.core.Opener
import dev.edgekit.core.Session
import dev.edgekit.core.TensorSpec
import dev.edgekit.core.bufferOf
import dev.edgekit.core.fromStart
import dev.edgekit.core.newBuffer
import dev.edgekit.core.toBytes
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** LiteRT on the CPU; the model is read from the assets without a copy. */
class Runtime(private val context: Context) : Opener {
    override fun place(model: BundleModel): String = model.file

    override fun open(model: BundleModel, place: String, threads: Int): Session {
        for (spec in model.inputs + model.outputs) if (spec.dtype !in KNOWN) throw unsupported(spec)
        val options = CompiledModel.Options(Accelerator.CPU).apply {
            cpuOptions = CompiledModel.CpuOptions(threads, null, null)
        }
        return LiteRtSession(CompiledModel.create(context.assets, place, options, null), model)
    }

    companion object {
        const val FORMAT = "tflite"
    }
}

private class LiteRtSession(private val compiled: CompiledModel, private val model: BundleModel) : Session {
    private val inputs = compiled.createInputBuffers()
    private val outputs = compiled.createOutputBuffers()

    override fun run(inputs: List<ByteBuffer>): List<ByteBuffer> {
        for (i in inputs.indices) this.inputs[i].write(inputs[i], model.inputs[i])
        compiled.run(this.inputs, outputs)
        return outputs.indices.map { outputs[it].read(model.outputs[it]) }
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        compiled.close()
    }
}

private val KNOWN = setOf(DType.FLOAT32, DType.INT32, DType.INT8, DType.INT64, DType.BOOL)

private fun unsupported(spec: TensorSpec) =
    IllegalArgumentException("the app gives no ${spec.dtype.label} to LiteRT and takes none: ${spec.name}")

private fun TensorBuffer.write(values: ByteBuffer, spec: TensorSpec) {
    val data = values.duplicate().fromStart().order(ByteOrder.LITTLE_ENDIAN)
    val count = data.capacity() / spec.dtype.bytes
    when (spec.dtype) {
        DType.FLOAT32 -> writeFloat(FloatArray(count).also { data.asFloatBuffer().get(it) })
        DType.INT32 -> writeInt(IntArray(count).also { data.asIntBuffer().get(it) })
        DType.INT64 -> writeLong(LongArray(count).also { data.asLongBuffer().get(it) })
        DType.INT8 -> writeInt8(data.toBytes())
        DType.BOOL -> writeBoolean(BooleanArray(count) { data.get(it) != 0.toByte() })
        else -> throw unsupported(spec)
    }
}

private fun TensorBuffer.read(spec: TensorSpec): ByteBuffer = when (spec.dtype) {
    DType.FLOAT32 -> readFloat().let { found -> newBuffer(found.size * 4).apply { asFloatBuffer().put(found) } }
    DType.INT32 -> readInt().let { found -> newBuffer(found.size * 4).apply { asIntBuffer().put(found) } }
    DType.INT64 -> readLong().let { found -> newBuffer(found.size * 8).apply { asLongBuffer().put(found) } }
    DType.INT8 -> bufferOf(readInt8())
    DType.BOOL -> readBoolean().let { found -> bufferOf(ByteArray(found.size) { if (found[it]) 1 else 0 }) }
    else -> throw unsupported(spec)
}
