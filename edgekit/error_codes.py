"""Every error code with the text that ``edgekit explain CODE`` prints. One entry a code, sorted by code."""

from __future__ import annotations

__all__ = ["CODES"]

# code -> (title, explanation with the usual ways out)
CODES: dict[str, tuple[str, str]] = {
    "cache-unknown": (
        "no such stage or entry in the cache",
        "`edgekit cache ls` lists the stages and entries that the stage cache has. An entry is named by the first "
        "digits of its key."),
    "calibration-missing": (
        "a static scheme has no calibration inputs",
        "Static activation scales come from representative inputs. Define `calibration()` in the workload, name an "
        ".npz or a folder of images in `quantize.calibration.data`, or choose w8a8-dynamic or w8-weight-only."),
    "calibration-nan": (
        "a calibration value is NaN",
        "Ranges cannot be taken from NaN. Check the calibration inputs for NaN or missing values, and that the float "
        "model gives finite outputs on each of them."),
    "child-cancelled": (
        "a step was cancelled",
        "Another step failed or the command was interrupted, so this step was stopped. Run the command again."),
    "child-crashed": (
        "a converter crashed",
        "A native converter ended with a signal (for example SIGSEGV). Only its own process was lost. The log named in "
        "the error has its last words; other formats are not affected. SIGKILL usually means that the machine ran out "
        "of memory."),
    "child-memory": (
        "a step went over its memory limit",
        "The step's process used more resident memory than it may. Raise the limit, use fewer calibration samples, or "
        "export one format at a time."),
    "child-not-started": (
        "a child process could not be started",
        "The operating system refused to start another process, usually for lack of memory or processes. Close other "
        "programs and try again."),
    "child-timeout": (
        "a step took too long",
        "The step's process was stopped at its time limit. Raise the limit, or find what makes the model slow to "
        "convert: unrolled RNNs and re-parameterisable blocks that were not fused are the usual causes."),
    "converter-failed": (
        "a converter raised an error",
        "The error is the converter's own, shortened; its traceback is in the log that the error names. Often one "
        "operator of the model is not supported: the last lines of the log name it."),
    "disk-full": (
        "the disk is full",
        "Nothing half-written was left behind. Free some space (`edgekit cache prune` empties the stage cache) and run "
        "the command again."),
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
    "not-writable": (
        "a folder cannot be written",
        "Access to the folder that the error names was refused. Choose an output folder that you may write to; for the "
        "stage cache set EDGEKIT_CACHE."),
    "observer-no-data": (
        "an observer saw no values",
        "A range was asked for a tensor that no calibration sample reached. Give calibration inputs that run every "
        "part of the model."),
    "observer-unknown": (
        "no observer of that name",
        "Observers are minmax (all values), percentile (cuts the rarest 0.01 %) and mse (least expected error)."),
    "output-not-edgekit": (
        "the output folder holds something else",
        "The folder exists, is not empty and has no manifest.json of edgekit's, so it is not replaced. Choose another "
        "folder, or empty it yourself."),
    "plugin-duplicate": (
        "two plug-ins share a name",
        "Two installed packages register the same name, so neither can be chosen safely. Uninstall one of them."),
    "runtime-crashed": (
        "a runtime crashed on the artifact",
        "The format's runtime ended with a signal while it loaded or ran the artifact. The artifact is not usable as it "
        "is; the log has the runtime's last words."),
    "runtime-failed": (
        "a runtime raised an error on the artifact",
        "The format's runtime could not load or run the artifact; its traceback is in the log that the error names."),
    "runtime-timeout": (
        "a runtime took too long",
        "Running the artifact went over its time limit and was stopped. Raise the limit, or try fewer inputs."),
    "scheme-unsupported": (
        "the format cannot do the scheme",
        "`edgekit recipes schemes` prints what each format can do, and why not. Choose another scheme, or leave the "
        "format out of the recipe's `formats`."),
}
