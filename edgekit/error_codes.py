"""Every error code with the text that ``edgekit explain CODE`` prints. One entry a code, sorted by code."""

from __future__ import annotations

__all__ = ["CODES"]

# code -> (title, explanation with the usual ways out)
CODES: dict[str, tuple[str, str]] = {
    "format-not-installed": (
        "a format's packages are missing",
        "Each format is an extra of edgekit. Install it with the command that the error names, for example "
        "`pip install \"edgekit[onnx]\"`, or leave the format out of the recipe."),
    "format-unknown": (
        "no format of that name",
        "Formats are tflite, executorch and onnx, and those that installed packages register as edgekit.formats."),
    "plugin-duplicate": (
        "two plug-ins share a name",
        "Two installed packages register the same name, so neither can be chosen safely. Uninstall one of them."),
    "scheme-unsupported": (
        "the format cannot do the scheme",
        "`edgekit recipes schemes` prints what each format can do, and why not. Choose another scheme, or leave the "
        "format out of the recipe's `formats`."),
}
