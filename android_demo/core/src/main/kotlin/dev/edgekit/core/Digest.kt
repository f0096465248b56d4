package dev.edgekit.core

import java.io.InputStream
import java.security.MessageDigest

/** SHA-256 as lower-case hex; the stream is read to its end and not closed. */
fun sha256(stream: InputStream): String {
    val digest = MessageDigest.getInstance("SHA-256")
    val part = ByteArray(1 shl 16)
    while (true) {
        val read = stream.read(part)
        if (read < 0) break
        digest.update(part, 0, read)
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}

fun sha256(bytes: ByteArray): String = sha256(bytes.inputStream())
