package dev.edgekit.core

import org.json.JSONArray
import org.json.JSONObject

/** A JSON object that knows its place in the document, so that an error names the key. Types are not converted. */
internal class JsonNode(private val json: JSONObject, private val at: String) {

    fun text(key: String): String = typed(key, "a string")

    fun textOrNull(key: String): String? = orNull(key) { text(it) }

    fun int(key: String): Int = number(key).also {
        if (it !is Int) throw BundleError("${path(key)} is $it, not a whole number")
    }.toInt()

    fun long(key: String): Long = number(key).also {
        if (it !is Int && it !is Long) throw BundleError("${path(key)} is $it, not a whole number")
    }.toLong()

    fun double(key: String): Double = number(key).toDouble()

    fun node(key: String): JsonNode = JsonNode(typed(key, "an object"), path(key))

    fun nodeOrNull(key: String): JsonNode? = orNull(key) { node(it) }

    fun nodes(key: String): List<JsonNode> = items<JSONObject, JsonNode>(key, "an object") { value, place ->
        JsonNode(value, place)
    }

    fun texts(key: String): List<String> = items<String, String>(key, "a string") { value, _ -> value }

    fun textsOrNull(key: String): List<String>? = orNull(key) { texts(it) }

    fun doubles(key: String): List<Double> = items<Number, Double>(key, "a number") { value, _ -> value.toDouble() }

    fun ints(key: String): List<Int> = items<Int, Int>(key, "a whole number") { value, _ -> value }

    fun intsOrNull(key: String): List<Int>? = orNull(key) { ints(it) }

    fun intOrNull(key: String): Int? = orNull(key) { int(it) }

    /** A shape: null stands for a dimension that has a name instead of a number. */
    fun shape(key: String): List<Int?> = items<Any, Int?>(key, "a number or a name") { value, place ->
        when (value) {
            is Int -> value
            is String -> null
            else -> throw BundleError("$place is $value, not a number or a name")
        }
    }

    fun strings(key: String): Map<String, String> {
        val found = typed<JSONObject>(key, "an object")
        val node = JsonNode(found, path(key))
        return found.keys().asSequence().map { it.toString() }.associateWith { node.text(it) }
    }

    /** The text as one of [allowed]. */
    fun choice(key: String, allowed: List<String>): String = text(key).also {
        if (it !in allowed) throw BundleError("${path(key)} is '$it', not one of ${allowed.joinToString()}")
    }

    fun path(key: String): String = if (at.isEmpty()) key else "$at.$key"

    private fun number(key: String): Number = typed(key, "a number")

    private fun <T> orNull(key: String, read: (String) -> T): T? {
        if (!json.has(key)) throw missing(key)
        return if (json.isNull(key)) null else read(key)
    }

    private inline fun <reified T> typed(key: String, wanted: String): T {
        if (!json.has(key) || json.isNull(key)) throw missing(key)
        val value = json.get(key)
        return value as? T ?: throw BundleError("${path(key)} is $value, not $wanted")
    }

    private inline fun <reified T, R> items(key: String, wanted: String, read: (T, String) -> R): List<R> {
        val array = typed<JSONArray>(key, "a list")
        return (0 until array.length()).map { index ->
            val place = "${path(key)}[$index]"
            val value = array.get(index) as? T ?: throw BundleError("$place is ${array.get(index)}, not $wanted")
            read(value, place)
        }
    }

    private fun missing(key: String) = BundleError("${path(key)} is missing in edgekit/bundle.json")
}
