package dev.edgekit.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class DigestTest {
    @Test
    fun knownDigests() {
        assertEquals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256("abc".toByteArray()))
        assertEquals("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256(ByteArray(0)))
        val million = ByteArray(1_000_000) { 'a'.code.toByte() } // more than one read
        assertEquals("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", sha256(million))
    }

    @Test
    fun theHighestMemoryIsFound() {
        val status = "Name:\tapp\nVmPeak:\t  999 kB\nVmHWM:\t  123456 kB\nVmRSS:\t 1 kB\n"
        assertEquals(123_456L * 1024, peakRssBytes(status))
        assertNull(peakRssBytes("Name:\tapp\n"))
    }
}
