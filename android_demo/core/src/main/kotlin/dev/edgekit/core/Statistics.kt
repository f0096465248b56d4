package dev.edgekit.core

import kotlin.math.floor

/** The [percent] percentile with linear interpolation between neighbours: numpy's default. */
fun percentile(values: LongArray, percent: Double): Double {
    require(values.isNotEmpty()) { "no values" }
    require(percent in 0.0..100.0) { "$percent is not between 0 and 100" }
    val sorted = values.sortedArray()
    val position = percent / 100 * (sorted.size - 1)
    val below = floor(position).toInt()
    val above = minOf(below + 1, sorted.size - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

/** What a benchmark's times come to, in milliseconds. */
data class Times(val medianMs: Double, val p10Ms: Double, val p90Ms: Double)

fun times(nanoseconds: LongArray) = Times(
    medianMs = percentile(nanoseconds, 50.0) / 1e6,
    p10Ms = percentile(nanoseconds, 10.0) / 1e6,
    p90Ms = percentile(nanoseconds, 90.0) / 1e6,
)
