package dev.edgekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import java.util.Locale

class StatisticsTest {
    private val values = longArrayOf(7, 1, 3, 10)

    /** numpy.percentile([7, 1, 3, 10], q) */
    @Test
    fun percentilesAreNumpys() {
        assertEquals(1.0, percentile(values, 0.0), 0.0)
        assertEquals(1.6, percentile(values, 10.0), 1e-12)
        assertEquals(5.0, percentile(values, 50.0), 0.0)
        assertEquals(9.1, percentile(values, 90.0), 1e-12)
        assertEquals(10.0, percentile(values, 100.0), 0.0)
        assertEquals(4.0, percentile(longArrayOf(4), 37.0), 0.0)
    }

    @Test
    fun timesAreMilliseconds() {
        assertEquals(Times(2.5, 2.5, 2.5), times(longArrayOf(2_500_000)))
    }

    @Test
    fun numbersAreShort() {
        fun short(value: Double) = shortNumber(value, Locale.ROOT)
        assertEquals(listOf("0.110", "12.3", "1235", "100"), listOf(0.11, 12.345, 1234.6, 99.96).map(::short))
        assertEquals(listOf("4.90e-05", "NaN"), listOf(4.9e-5, Double.NaN).map(::short))
    }

    @Test
    fun theInputIsNotSorted() {
        percentile(values, 50.0)
        assertEquals(7L, values[0])
    }

    @Test
    fun nothingHasNoPercentile() {
        assertThrows(IllegalArgumentException::class.java) { percentile(longArrayOf(), 50.0) }
    }
}
