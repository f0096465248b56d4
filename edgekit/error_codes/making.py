"""Codes of errors in getting a model in, compressing, quantising, exporting and verifying it. Sorted by code."""

from __future__ import annotations

__all__ = ["MAKING"]

# code -> (title, explanation with the usual ways out)
MAKING: dict[str, tuple[str, str]] = {
    "artifact-damaged": (
        "a model file is damaged",
        "The file is truncated, or is not of the format that its name says. Fetch it again, or export the model again; "
        "`manifest.json` beside it holds the sha256 that it should have."),
    "artifact-does-not-load": (
        "the runtime refuses the file",
        "The runtime read the file but could not prepare it to run: the cause has its words, which usually name an "
        "operator. Keep that operator float (`quantize.keep_float`), or use a newer runtime."),
    "artifact-does-not-run": (
        "the runtime failed while running the file",
        "The file loads, but an operator failed on these inputs. Keep the operator that the cause names float "
        "(`quantize.keep_float`), and check the inputs' values (token ids beyond the table, for example)."),
    "artifact-incomplete": (
        "a part of an artifact is missing",
        "An .onnx file may keep its weights in files beside it: they belong to it, and go where it goes. What edgekit "
        "exports is always one file."),
    "artifact-inputs": (
        "inputs do not fit the artifact",
        "`edgekit inspect` prints the name, shape and dtype of every input. A quantised or channels-last artifact "
        "takes values in its own dtype and layout."),
    "artifact-missing": (
        "there is no such model file",
        "Check the path. Exported files lie in the output folder as model.tflite, model.pte and model.onnx."),
    "artifact-outputs": (
        "artifact and workload do not belong together",
        "The artifact returns other outputs than the float model. `edgekit verify --against` takes the workload that "
        "the artifact was exported from, with the same weights and settings."),
    "artifact-too-large": (
        "a model file would pass its format's limit",
        "An .onnx file ends at 2 GB. Quantise the weights (int8 takes a quarter), or compress the model first."),
    "artifact-unknown": (
        "a file is of no known format",
        "Artifacts are known by their endings: .tflite, .pte and .onnx. Give the exported file itself, not its "
        "folder."),
    "cache-unknown": (
        "no such stage or entry in the cache",
        "`edgekit cache ls` lists the stages and entries that the stage cache has. An entry is named by the first "
        "digits of its key."),
    "calibration-broken": (
        "a calibration file cannot be read",
        "An .npz must hold plain arrays of numbers (no Python objects) and images must be whole PNG, JPEG or BMP "
        "files. Write the file again, or take it out of the folder."),
    "calibration-dtype": (
        "a calibration sample has another dtype",
        "Calibration samples have the dtype of the example inputs: float32 for images and signals, the model's "
        "integer type for token ids."),
    "calibration-empty": (
        "there are no calibration samples",
        "calibration() yielded nothing, or the .npz or folder holds less than one sample. 100 to 500 typical inputs "
        "calibrate well."),
    "calibration-keys": (
        "calibration data does not match the model's inputs",
        "An .npz has one array an input, named like the input, with the samples in its first dimension. A folder of "
        "images serves models with one image input."),
    "calibration-missing": (
        "a static scheme has no calibration inputs",
        "Static activation scales come from representative inputs. Define `calibration()` in the workload, name an "
        ".npz or a folder of images in `quantize.calibration.data`, or choose w8a8-dynamic or w8-weight-only."),
    "calibration-nan": (
        "a calibration value is NaN",
        "Ranges cannot be taken from NaN. Check the calibration inputs for NaN or missing values, and that the float "
        "model gives finite outputs on each of them."),
    "calibration-no-preprocess": (
        "images need preprocess()",
        "A folder of images is resized, ordered and normalised as the workload's preprocess() says. Define it, or "
        "give an .npz with inputs that are ready."),
    "calibration-shape": (
        "a calibration sample has another shape",
        "Calibration samples have the example inputs' shapes; batches are split along dimension 0."),
    "capture-autograd": (
        "a custom autograd function cannot be captured",
        "Write its forward computation with plain tensor operations in the module that load() returns."),
    "capture-data-dependent": (
        "the model decides by a tensor's values",
        "Captured programs have no Python control flow. Use torch.where in place of `if tensor`, or decide by shapes "
        "and by flags that __init__ sets."),
    "capture-dynamic-output": (
        "a result's size depends on values",
        "nonzero(), unique() and boolean indexing give results of a size that nobody knows beforehand, and devices "
        "plan memory beforehand. Use masks, or topk with a fixed k."),
    "capture-failed": (
        "the model cannot be captured",
        "torch.export could not follow forward(). Move what is no tensor computation out of it. "
        "`torch.export.export(model, inputs, strict=False)` shows the same without edgekit."),
    "capture-fixed-batch": (
        "the code fixes the batch size",
        "dynamic_shapes() lets the batch vary, but forward() uses a fixed number for it. Use x.shape[0] or -1, or "
        "remove dynamic_shapes()."),
    "capture-item": (
        "the model reads a tensor's value into Python",
        ".item(), .tolist(), int() and float() leave the graph. Keep the value a tensor, or compute it once in "
        "__init__."),
    "capture-mutation": (
        "a change in place cannot be captured",
        "Write out of place: `x = x + 1`, torch.cat, torch.where."),
    "capture-numpy": (
        "the model calls numpy",
        "numpy computes outside the graph. Use the torch function of the same name."),
    "capture-outputs": (
        "the captured program returns other outputs",
        "Outputs have to be tensors, each returned once."),
    "capture-storage": (
        "the model reads a tensor's memory directly",
        "data_ptr() and storage() have no meaning in a captured program. Use tensor operations."),
    "capture-unsupported": (
        "an operator cannot be captured",
        "torch.export knows no description (fake implementation) of the operator. Use operators of "
        "torch.nn.functional, or register one with torch.library.register_fake."),
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
    "code-unknown": (
        "no error code of that name",
        "`edgekit explain` without a code lists all of them."),
    "compress-cannot-trace": (
        "the dependencies between channels cannot be traced",
        "Structured pruning has to know which layers share a channel, and the tracer could not follow the model's "
        "forward. Simplify reshapes and branches there, or use the pass `unstructured`, which needs no trace."),
    "compress-failed": (
        "a compression pass could not finish",
        "Each group of channels can be removed alone, but not all of them together. A lower `ratio` removes "
        "fewer."),
    "compress-no-train-data": (
        "a compression pass needs training data",
        "Fine-tuning (and importance `taylor`) needs `train_data()` in the workload: a function that returns a "
        "fresh iterable of `(inputs, target)` batches at each call. `train: {epochs: 0}` prunes without fine- "
        "tuning."),
    "compress-not-reached": (
        "a compression pass did not do what was asked",
        "The result was checked and is not as small or as sparse as the settings ask. The cause in the error says "
        "by how much."),
    "compress-nothing-to-cut": (
        "a compression pass has nothing to remove",
        "The model has no layer that the pass can work on, or the settings round the amount to nothing. The error "
        "lists the reason of each group of layers."),
    "compress-unknown": (
        "no compression pass of that name",
        "Passes are structured and unstructured, and those that installed packages register as edgekit.compress."),
    "converter-failed": (
        "a converter raised an error",
        "The error is the converter's own, shortened; its traceback is in the log that the error names. Often one "
        "operator of the model is not supported: the last lines of the log name it."),
    "device-unknown": (
        "no device of that name",
        "A device is a profile that edgekit ships (`edgekit devices list`), named by its id, for example `pixel-8`. "
        "The error names the nearest one. In a recipe too it ends with exit status 4."),
    "disk-full": (
        "the disk is full",
        "Nothing half-written was left behind. Free some space (`edgekit cache prune` empties the stage cache) and run "
        "the command again."),
    "file-access": (
        "a file or folder cannot be used",
        "The operating system refused it: it is not there, it is of another kind, or you may not read or write it. "
        "The cause has its own words."),
    "file-exists": (
        "a file is in the way",
        "`edgekit init` never overwrites, and `edgekit devices calibrate` only what it wrote. Choose another name, or "
        "move the file away."),
    "file-not-readable": (
        "a file is no readable text",
        "Recipes and device profiles are small UTF-8 text files. Check that the path is the one you meant and that "
        "you may read it."),
    "float-output-not-finite": (
        "the float model returns NaN or infinity",
        "Nothing can be compared with such outputs. Check the weights that were loaded, and that the inputs are pre- "
        "processed as in training."),
    "format-not-installed": (
        "a format's packages are missing",
        "Each format is an extra of edgekit. Install it with the command that the error names, for example "
        "`pip install \"edgekit[onnx]\"`, or leave the format out of the recipe."),
    "format-not-on-device": (
        "the device does not run the format",
        "A profile lists the formats whose runtimes run on each processor. Leave the format out of the recipe's "
        "`formats`, choose another device or processor, or correct the profile."),
    "format-option": (
        "a format does not know an option",
        "`overrides` in the recipe passes options to one format. The error lists those that it knows."),
    "format-unknown": (
        "no format of that name",
        "Formats are tflite, executorch and onnx, and those that installed packages register as edgekit.formats."),
    "formats-failed": (
        "no format could be made",
        "Each format failed for a reason of its own; the error lists them all under `problems`, each with its code and "
        "its next step."),
    "installation-broken": (
        "files that edgekit ships are missing",
        "The recipes and device profiles lie inside the installed package. Install edgekit again."),
    "internal": (
        "edgekit itself failed",
        "This is a fault of edgekit, not of your files. Run the command again with EDGEKIT_TRACEBACK=1 and report "
        "what it prints, with the model's architecture if you can."),
    "interrupted": (
        "the command was interrupted",
        "Nothing half-written stays: the output folder is published in one step at the end. Stages that were "
        "finished are in the cache, so a second run takes them from there."),
    "io-dtype": (
        "integer inputs and outputs need integer activations",
        "int8 and uint8 at the model's border only make sense where activations are stored as integers. Choose "
        "w8a8-static, or set `io.dtype: float32`."),
    "keep-float-no-match": (
        "a keep_float pattern matches nothing",
        "Patterns in `quantize.keep_float` are module paths of the model (`features.3`), or shell patterns (`head.*`); "
        "each also covers everything below it. The error names the nearest paths."),
    "key-duplicate": (
        "a key stands twice",
        "YAML would silently keep one of the two. Remove the one that you do not mean."),
    "key-missing": (
        "a key is missing",
        "The file lacks something that has no default. `edgekit recipes schema` and `edgekit devices schema` print "
        "what a file holds."),
    "key-unknown": (
        "no key of that name",
        "Unknown keys are mistakes, because a misspelt setting would otherwise be silently left out. The error "
        "names the nearest right key; docs/recipes.md lists all of them."),
    "layers-unavailable": (
        "a runtime shows no intermediate values",
        "A delegate runs its part of the graph in one call. Export the artifact with edgekit, so that report.json "
        "beside it names the scheme: `edgekit verify --layers` then shows the simulated layers of that scheme."),
    "metric-not-finite": (
        "evaluate() returned no finite number",
        "`evaluate(predict)` returns one finite number in the unit that METRIC names. Check for an empty test set and "
        "divisions by zero."),
    "name-unknown": (
        "no choice of that name",
        "The value must be one of a fixed set of names. The error lists them and names the nearest one."),
    "normalize-changed-outputs": (
        "the captured program computes something else",
        "After capture the program is compared with the module on the example inputs. A model that draws random "
        "numbers, keeps state between calls or behaves as in training gives other values each time."),
    "not-as-asked": (
        "an artifact is not what the recipe asked for",
        "The file was read back, and some weights or operators are in another dtype than the scheme's without being "
        "named. Name layers that should stay float under `quantize.keep_float`, or choose a scheme that the format "
        "can do for them."),
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
    "out-of-memory": (
        "there is not enough memory",
        "Close other programs, export one format at a time (`--jobs 1`), or use a machine with more memory."),
    "output-not-edgekit": (
        "the output folder cannot be replaced",
        "The folder exists, is not empty and has no manifest.json of edgekit's, so it is not replaced; nor is a mount "
        "point, or the working directory of the shell. Choose another folder, or empty it yourself."),
    "output-shape": (
        "an artifact's outputs have other shapes",
        "The artifact loads and runs, but returns other shapes than the float model. Report the model's architecture; "
        "as a way round, reshape the outputs at the end of forward()."),
    "package-missing": (
        "a Python package is missing",
        "`edgekit doctor` lists what each format needs and prints the command that adds it."),
    "plugin-duplicate": (
        "two plug-ins share a name",
        "Two installed packages register the same name, so neither can be chosen safely. Uninstall one of them."),
    "predict-inputs": (
        "evaluate() called predict() with other inputs than the model's",
        "predict() takes the model's inputs as forward() does: by position or by name, any number of rows in "
        "dimension 0."),
    "profile-invalid": (
        "a device profile has several mistakes",
        "Each is listed with file, line and column. `edgekit devices validate FILE` checks a profile."),
    "program-not-readable": (
        "a saved program cannot be read",
        "The captured program in the cache is damaged or from another version. Run the export again; `edgekit cache "
        "prune` removes it."),
    "recipe-invalid": (
        "a recipe has several mistakes",
        "Each is listed with file, line and column. `edgekit recipes validate FILE` checks a recipe without doing "
        "any work."),
    "recipe-not-found": (
        "no recipe of that name",
        "Give a recipe's file, or the name of one that edgekit ships: `edgekit recipes list`."),
    "reference-format": (
        "the second opinion reads .tflite files only",
        "TensorFlow's interpreter runs .tflite files. Leave `--reference` away for other formats."),
    "reference-unknown": (
        "no second opinion of that name",
        "`--reference tensorflow` is the one there is; it needs the extra edgekit[tensorflow]."),
    "report-malformed": (
        "the report beside an artifact cannot be read",
        "`edgekit verify` takes the fidelity floor from report.json beside the artifact. Give the floor with "
        "`--min-sqnr-db`, or move the artifact to another folder."),
    "runtime-crashed": (
        "a runtime crashed on the artifact",
        "The format's runtime ended with a signal while it loaded or ran the artifact. The artifact is not usable as "
        "it is; the log has the runtime's last words."),
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
    "tensorflow-not-installed": (
        "TensorFlow is not installed",
        "No route of edgekit needs TensorFlow: it is only the second opinion of `edgekit verify --reference "
        "tensorflow`. Install it with `pip install \"edgekit[tensorflow]\"` (about 600 MB), or leave the option away."),
    "train-loss-not-finite": (
        "training diverged",
        "The loss became NaN or infinite. Lower `train.lr`, and check the named batch for NaN, infinite values or "
        "targets out of range."),
    "train-no-data": (
        "train_data() gave no batch",
        "train_data() is called once an epoch and must return a fresh iterable each time; a generator object kept "
        "in a variable is empty the second time."),
    "train-nothing-trainable": (
        "no parameter can be trained",
        "Every parameter has requires_grad=False. Set it on what should train, or train 0 epochs."),
    "train-step-failed": (
        "a training step failed",
        "The batch does not fit the model or the loss. train_data() yields (inputs, target): inputs like "
        "example_inputs(), and a target that cross-entropy or the workload's loss(outputs, target) takes."),
    "type-wrong": (
        "a value is of the wrong type",
        "Nothing is converted silently: a number stands without quotes, a list in brackets or with dashes, a "
        "mapping as `key: value` lines."),
    "usage": (
        "the command does not take that",
        "`edgekit --help` lists the verbs, and `edgekit VERB --help` what a verb takes."),
    "value-wrong": (
        "a value is out of its range or does not fit the rest",
        "The error says what is right. docs/recipes.md lists every setting with its limits."),
    "weights-mismatch": (
        "the weights do not fit the module",
        "Every key and shape of the state dict must be the module's. The error lists those missing, those too many "
        "and those of another shape."),
    "weights-no-state-dict": (
        "the file holds no state dict",
        "Save model.state_dict() itself, as .safetensors (preferred) or with torch.save."),
    "weights-unknown-type": (
        "weights of an unknown type",
        "Weights are read from .safetensors (preferred), .pth and .pt state dicts."),
    "workload-bad-inputs": (
        "example or training inputs are not tensors in the expected form",
        "example_inputs() returns a tensor, a tuple of tensors, or a dict of tensors by argument name. Other "
        "arguments of forward() are fixed in load(). calibration() and train_data() use the same form."),
    "workload-bad-labels": (
        "labels() is no list of names",
        "Return one name a class, in the order of the model's output."),
    "workload-bad-metric": (
        "the metric is not described, or is no number",
        "A workload with evaluate(predict) defines METRIC = {\"name\", \"unit\", \"higher_is_better\"}, and evaluate "
        "returns one number in that unit."),
    "workload-bad-output": (
        "forward() returns something that is no tensor",
        "An exported model returns tensors: alone, or in tuples, lists and dicts. Wrap the model in load() so that it"
        " does."),
    "workload-bad-preprocess": (
        "preprocess() does not describe an image input",
        "It returns a dict: layout (nchw, nhwc), color (rgb, bgr, gray), resize (height, width), interpolation, "
        "scale, mean, std. The same data goes to calibration, into the bundle and into the app."),
    "workload-broken-file": (
        "a model file cannot be read",
        "The file is cut short, damaged or of another version. Copy or save it again."),
    "workload-call-failed": (
        "a function of the workload raised an error",
        "The error shows your own lines of the traceback. The function fails in the same way without edgekit."),
    "workload-dynamic-shape": (
        "only the batch dimension may vary",
        "Formats for devices plan memory for fixed sizes. dynamic_shapes() may make dimension 0 of every input vary; "
        "export once for each other size that is needed."),
    "workload-import-failed": (
        "the workload file raised an error on import",
        "The error shows your own lines of the traceback. `python FILE` shows the same."),
    "workload-inputs-do-not-fit": (
        "the example inputs do not fit forward()",
        "The module was called once with example_inputs(). Check their number, order, shapes (with a batch dimension)"
        " and dtypes."),
    "workload-missing-function": (
        "the workload lacks a function",
        "A workload defines load() and example_inputs(). `edgekit init` writes a commented one to start from."),
    "workload-no-function": (
        "a known name of the workload is no function",
        "load, example_inputs, calibration, evaluate, train_data, loss, labels, dynamic_shapes and preprocess are "
        "functions that edgekit calls. Make it one that returns the value, or give the value another name."),
    "workload-no-module": (
        "there is no torch.nn.Module to export",
        "load() returns the trained module itself: not its class, its state dict or a TorchScript module."),
    "workload-not-found": (
        "there is no such workload",
        "A workload is a .py file or package.module with load() and example_inputs(), a .pt2 that torch.export.save "
        "wrote, or a local Hugging Face folder with config.json and safetensors."),
    "workload-pickled": (
        "a pickled module is not loaded",
        "Unpickling a module runs any code in the file. Where the file comes from, save the state dict "
        "(safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")), build the module in load() and pass "
        "--weights."),
    "workload-remote-code": (
        "a Hugging Face folder wants to run its own code",
        "Its config.json names Python files (auto_map). Read them, then build the model in a Python file's load()."),
    "workload-training-mode": (
        "the program was exported in training mode",
        "Dropout and BatchNorm behave differently in training. Call model.eval() before torch.export.export()."),
    "workload-unsafe-pt2": (
        "a .pt2 could run code",
        "torch.export.load may unpickle without restriction, evaluate strings and load libraries, so every member is "
        "checked first. Export the model again without custom objects, or give it as a Python file with --weights."),
    "yaml-syntax": (
        "the file is not plain YAML",
        "Indent with spaces, never tabs; quote text that holds `: ` or begins with a special character; write "
        "values out instead of using anchors, aliases and tags."),
}
