package dev.edgekit.core

import kotlin.math.abs
import kotlin.math.exp

data class Ranked(val index: Int, val probability: Double)

/** exp(x) / sum(exp(x)), without overflow. For showing only: what a model gives stays as it is. */
fun softmax(values: DoubleArray): DoubleArray {
    val highest = values.max()
    val powers = DoubleArray(values.size) { exp(values[it] - highest) }
    val sum = powers.sum()
    return DoubleArray(values.size) { powers[it] / sum }
}

/** Probabilities: the values themselves where they are some already (0 to 1, sum 1), else their softmax. */
fun probabilities(values: DoubleArray): DoubleArray {
    val already = values.all { it in 0.0..1.0 } && abs(values.sum() - 1) < SUM_ERROR
    return if (already) values else softmax(values)
}

/** The [count] highest, highest first; of equal ones the first. */
fun topK(probabilities: DoubleArray, count: Int): List<Ranked> =
    probabilities.withIndex().sortedByDescending { it.value }.take(count).map { Ranked(it.index, it.value) }

/** Rounding of an 8-bit softmax: up to half a step of 1/256 in each of some hundred classes that are not 0. */
private const val SUM_ERROR = 0.05
