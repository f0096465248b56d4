package dev.edgekit.demo

import android.content.Context
import dev.edgekit.core.BundleModel
import dev.edgekit.core.DType
import dev.edgekit.core.Opener
import dev.edgekit.core.Session
import dev.edgekit.core.fromStart
import dev.edgekit.core.newBuffer
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.pytorch.executorch.DType as TorchType

/** ExecuTorch; it reads files only, so the model is copied out of the assets once. */
class Runtime(private val context: Context) : Opener {
    override fun place(model: BundleModel): String = modelFile(context, model).path

    override fun open(model: BundleModel, place: String, threads: Int): Session {
        val module = Module.load(place, Module.LOAD_MODE_MMAP, threads)
        module.loadMethod("forward") // else the first run would load it
        return ExecuTorchSession(module, model)
    }

    companion object {
        const val FORMAT = "executorch"
    }
}

private class ExecuTorchSession(private val module: Module, private val model: BundleModel) : Session {

    override fun run(inputs: List<ByteBuffer>): List<ByteBuffer> {
        val values = Array(inputs.size) { EValue.from(tensor(inputs[it], it)) }
        return module.forward(*values).map { read(it.toTensor()) }
    }

    override fun close() = module.close()

    private fun tensor(values: ByteBuffer, index: Int): Tensor {
        val data = values.duplicate().fromStart().order(ByteOrder.nativeOrder())
        val spec = model.inputs[index]
        val shape = model.inputShape(index).map { it.toLong() }.toLongArray()
        return when (spec.dtype) {
            DType.FLOAT32 -> Tensor.fromBlob(data.asFloatBuffer(), shape)
            DType.FLOAT64 -> Tensor.fromBlob(data.asDoubleBuffer(), shape)
            DType.INT8 -> Tensor.fromBlob(data, shape)
            DType.UINT8 -> Tensor.fromBlobUnsigned(data, shape)
            DType.INT32 -> Tensor.fromBlob(data.asIntBuffer(), shape)
            DType.INT64 -> Tensor.fromBlob(data.asLongBuffer(), shape)
            else -> throw IllegalArgumentException("the app gives no ${spec.dtype.label} to ExecuTorch: ${spec.name}")
        }
    }
}

/** By copyDataInto, which Java's and Kotlin's versions of Tensor both have. */
private fun read(tensor: Tensor): ByteBuffer {
    val count = tensor.numel().toInt()
    return when (val type = tensor.dtype()) {
        TorchType.FLOAT -> newBuffer(count * 4).apply { tensor.copyDataInto(asFloatBuffer()) }
        TorchType.DOUBLE -> newBuffer(count * 8).apply { tensor.copyDataInto(asDoubleBuffer()) }
        TorchType.INT32 -> newBuffer(count * 4).apply { tensor.copyDataInto(asIntBuffer()) }
        TorchType.INT64 -> newBuffer(count * 8).apply { tensor.copyDataInto(asLongBuffer()) }
        TorchType.INT8 -> newBuffer(count).apply { tensor.copyDataInto(this) }.fromStart()
        TorchType.UINT8 -> newBuffer(count).apply { tensor.copyDataIntoUnsigned(this) }.fromStart()
        else -> throw IllegalStateException("the app takes no $type from ExecuTorch")
    }
}
