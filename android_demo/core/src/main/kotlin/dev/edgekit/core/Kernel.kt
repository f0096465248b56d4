package dev.edgekit.core

import kotlin.math.abs
import kotlin.math.ceil

/** A resampling filter: its weight at a distance, zero from [support] on. */
internal enum class Kernel(val support: Double) {
    BILINEAR(1.0) {
        override fun weight(x: Double): Double = if (abs(x) < 1.0) 1.0 - abs(x) else 0.0
    },
    BICUBIC(2.0) {
        override fun weight(x: Double): Double {
            val d = abs(x)
            return when {
                d < 1.0 -> ((A + 2.0) * d - (A + 3.0)) * d * d + 1
                d < 2.0 -> (((d - 5) * d + 8) * d - 4) * A
                else -> 0.0
            }
        }
    };

    abstract fun weight(x: Double): Double
}

private const val A = -0.5

/** Bits after the point in [Weights]: 32 less 8 for a pixel and 2 for sums that overshoot. */
internal const val PRECISION_BITS = 32 - 8 - 2

/** For one output position: the first input position and the fixed-point weights from there on. */
internal class Weights(val first: Int, val values: IntArray)

/** Weights of every output position along one axis; the filter grows with the factor when an image shrinks. */
internal fun weights(kernel: Kernel, from: Int, to: Int): List<Weights> {
    val scale = from.toDouble() / to
    val filterScale = maxOf(scale, 1.0)
    val support = kernel.support * filterScale
    val step = 1.0 / filterScale
    return List(to) { position ->
        val center = (position + 0.5) * scale
        val first = maxOf((center - support + 0.5).toInt(), 0)
        val last = minOf((center + support + 0.5).toInt(), from)
        val real = DoubleArray(minOf(last - first, ceil(support).toInt() * 2 + 1)) {
            kernel.weight((it + first - center + 0.5) * step)
        }
        var sum = 0.0
        for (value in real) sum += value
        Weights(first, IntArray(real.size) { fixed(if (sum != 0.0) real[it] / sum else real[it]) })
    }
}

private fun fixed(value: Double): Int {
    val scaled = value * (1 shl PRECISION_BITS)
    return (if (value < 0) scaled - 0.5 else scaled + 0.5).toInt()
}
