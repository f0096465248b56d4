package dev.edgekit.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertSame
import org.junit.Test

class RankingTest {
    @Test
    fun softmaxSumsToOneAndDoesNotOverflow() {
        val found = softmax(doubleArrayOf(1000.0, 1000.0, 0.0))
        assertArrayEquals(doubleArrayOf(0.5, 0.5, 0.0), found, 1e-12)
        val known = softmax(doubleArrayOf(1.0, 2.0, 3.0))
        assertArrayEquals(doubleArrayOf(0.09003057317038046, 0.24472847105479767, 0.6652409557748218), known, 1e-15)
    }

    @Test
    fun probabilitiesAreKept() {
        val already = doubleArrayOf(0.25, 0.75)
        assertSame(already, probabilities(already))
        assertEquals(1.0, probabilities(doubleArrayOf(0.9, 0.9)).sum(), 1e-12)
    }

    @Test
    fun theHighestComeFirstAndOfEqualOnesTheFirst() {
        val best = topK(doubleArrayOf(0.1, 0.4, 0.1, 0.4), 3)
        assertEquals(listOf(Ranked(1, 0.4), Ranked(3, 0.4), Ranked(0, 0.1)), best)
        assertEquals(1, topK(doubleArrayOf(1.0), 3).size)
    }
}
