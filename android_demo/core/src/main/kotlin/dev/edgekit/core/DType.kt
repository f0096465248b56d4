package dev.edgekit.core

/** A tensor's element type, by numpy's name. */
enum class DType(val label: String, val bytes: Int) {
    FLOAT32("float32", 4),
    FLOAT64("float64", 8),
    FLOAT16("float16", 2),
    INT8("int8", 1),
    UINT8("uint8", 1),
    INT16("int16", 2),
    INT32("int32", 4),
    INT64("int64", 8),
    BOOL("bool", 1);

    companion object {
        /** The type with that name, or null. */
        fun named(label: String): DType? = entries.find { it.label == label }
    }
}
