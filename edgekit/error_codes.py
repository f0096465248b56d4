"""Every error code with the text that ``edgekit explain CODE`` prints. One entry a code, sorted by code."""

from __future__ import annotations

__all__ = ["CODES"]

# code -> (title, explanation with the usual ways out)
CODES: dict[str, tuple[str, str]] = {
    "calibration-nan": (
        "a calibration value is NaN",
        "Ranges cannot be taken from NaN. Check the calibration inputs for NaN or missing values, and that the float "
        "model gives finite outputs on each of them."),
    "format-not-installed": (
        "a format's packages are missing",
        "Each format is an extra of edgekit. Install it with the command that the error names, for example "
        "`pip install \"edgekit[onnx]\"`, or leave the format out of the recipe."),
    "format-unknown": (
        "no format of that name",
        "Formats are tflite, executorch and onnx, and those that installed packages register as edgekit.formats."),
    "keep-float-no-match": (
        "a keep_float pattern matches nothing",
        "Patterns in `quantize.keep_float` are module paths of the model (`features.3`), or shell patterns (`head.*`); "
        "each also covers everything below it. The error names the nearest paths."),
    "observer-no-data": (
        "an observer saw no values",
        "A range was asked for a tensor that no calibration sample reached. Give calibration inputs that run every "
        "part of the model."),
    "observer-unknown": (
        "no observer of that name",
        "Observers are minmax (all values), percentile (cuts the rarest 0.01 %) and mse (least expected error)."),
    "plugin-duplicate": (
        "two plug-ins share a name",
        "Two installed packages register the same name, so neither can be chosen safely. Uninstall one of them."),
    "scheme-unsupported": (
        "the format cannot do the scheme",
        "`edgekit recipes schemes` prints what each format can do, and why not. Choose another scheme, or leave the "
        "format out of the recipe's `formats`."),
}
