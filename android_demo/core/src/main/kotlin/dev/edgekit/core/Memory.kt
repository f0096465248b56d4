package dev.edgekit.core

/** The most memory the process ever held, from the text of `/proc/self/status`; null where it is not told. */
fun peakRssBytes(status: String): Long? {
    val line = status.lineSequence().find { it.startsWith("VmHWM:") } ?: return null
    return line.removePrefix("VmHWM:").removeSuffix("kB").trim().toLongOrNull()?.times(1024)
}
