package dev.edgekit.core

import java.util.Locale
import kotlin.math.abs

/** A number for people: three significant digits, and no exponent for what has more before the point. */
fun shortNumber(value: Double, locale: Locale = Locale.getDefault()): String =
    if (abs(value) >= 100) "%.0f".format(locale, value) else "%.3g".format(locale, value)
