package dev.edgekit.core

/** What `edgekit measure --app` asks for. Arguments are null or -1 where the intent has none. */
class BenchmarkRequest(
    id: String?,
    model: String?,
    sha256: String?,
    val warmup: Int,
    val runs: Int,
    val threads: Int,
) {
    val id: String = id.matching("id", ID)
    val model: String = model.matching("model", MODEL)
    val sha256: String = sha256.matching("sha256", SHA256)

    init {
        within("warmup", warmup, 0..10_000)
        within("runs", runs, 1..100_000)
        within("threads", threads, 1..64)
    }

    companion object {
        private val ID = Regex("[a-z0-9]{1,32}")
        private val MODEL = Regex("edgekit/[A-Za-z0-9_.-]+")
        private val SHA256 = Regex("[0-9a-f]{64}")

        /** Whether a result can be written under that id: it names the file. */
        fun isId(id: String?): Boolean = id != null && ID.matches(id)

        private fun String?.matching(name: String, form: Regex): String {
            if (this == null) throw BenchmarkFailure("request", "$name is missing")
            if (!form.matches(this)) throw BenchmarkFailure("request", "$name is '$this', not of the form $form")
            return this
        }

        private fun within(name: String, value: Int, range: IntRange) {
            if (value !in range) {
                throw BenchmarkFailure("request", "$name is $value, not between ${range.first} and ${range.last}")
            }
        }
    }
}

/** Why there is no result; [code] is one of request, bundle, model-changed, load, run. */
class BenchmarkFailure(val code: String, message: String, cause: Throwable? = null) : Exception(message, cause)
