package dev.edgekit.core

import java.io.Closeable
import java.io.InputStream
import java.nio.ByteBuffer

/** A loaded model. Buffers are little-endian, in the model's own dtypes and order; outputs are the caller's to keep. */
interface Session : Closeable {
    fun run(inputs: List<ByteBuffer>): List<ByteBuffer>
}

/** Nanoseconds since any fixed moment, never going back. */
fun interface Clock {
    fun nanoseconds(): Long
}

/** The files of the bundle, by their path in it. */
fun interface BundleFiles {
    fun open(path: String): InputStream
}
