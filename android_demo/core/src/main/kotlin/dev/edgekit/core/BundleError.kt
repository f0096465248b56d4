package dev.edgekit.core

/** The bundle in the app is not what this app can read; the message says what, where and what to do. */
class BundleError(message: String, cause: Throwable? = null) : Exception(message, cause)
