"""Codes of errors in putting artifacts into an app. Sorted by code."""

from __future__ import annotations

__all__ = ["BUNDLING"]

# code -> (title, explanation with the usual ways out)
BUNDLING: dict[str, tuple[str, str]] = {
    "bundle-abi": (
        "a runtime has no native code for an ABI",
        "The Android libraries of LiteRT and ExecuTorch have arm64-v8a and x86_64, ONNX Runtime's also armeabi-v7a and "
        "x86. Leave the other ABI away, or choose a format with --format whose library has it."),
    "bundle-device": (
        "a device runs no Android app",
        "The sample app needs Android 8 (API level 26) or later. Name a phone with --device, or export by a recipe for "
        "one; boards take the artifacts as they are."),
    "bundle-dtype": (
        "an app cannot give a model its inputs",
        "The Java API of each runtime takes some dtypes only. Export with `io: {dtype: float32}`, or choose another "
        "format with --format."),
    "bundle-format": (
        "an output folder lacks a format, or the app does not run it",
        "The app runs tflite, executorch and onnx. --format chooses among those that the folder holds."),
    "bundle-not-app": (
        "a folder is no app that takes a bundle",
        "--app names android_demo, or an app made from it: settings.gradle.kts, app/build.gradle.kts and a version "
        "catalog gradle/libs.versions.toml, with Gradle scripts that read bundle/edgekit.properties."),
    "bundle-not-output": (
        "a folder is not what `edgekit export` wrote",
        "`edgekit bundle` takes a whole output folder with its manifest.json, report.json and golden vectors. Export "
        "the model again where it is from another edgekit."),
    "bundle-pack-formats": (
        "an AI pack holds one model",
        "With --delivery ai-pack the model is outside the app's flavors, so every one of them would be delivered to "
        "every phone. Choose one with --format."),
    "bundle-runtime-version": (
        "an app pins another release of a runtime",
        "Golden vectors say what one release of the runtime answered, and a .pte is read by its own release only. "
        "Write that version into the app's gradle/libs.versions.toml, or export with the release that the app has."),
    "bundle-tampered": (
        "a file of an output folder changed",
        "A file is not the one whose sha256 the manifest has, or it is gone. Export the model again."),
}
