"""What int8 costs on the examples: digits over all 1,797 images in five folds, paired; MiniLM with dynamic int8.

Every fold's model is trained without that fold (weights are cached by content), exported to int8 in three formats and
scored on the fold through each artifact. Drops are paired, image by image, with a 95 % interval.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import arguments, claim, note, publish

from edgekit import api
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.verify.predictor import predictor

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))
FORMATS = ("tflite", "executorch", "onnx")
RECIPE = "name: accuracy\nformats: [tflite, executorch, onnx]\nquantize: {{scheme: {scheme}}}\n"
FOLD = """import sys
sys.path.insert(0, {examples!r})
from digits_{arch} import *
import digits_data as data

train = data.folds()[{fold}][0]


def calibration():
    return data.calibration_images(train)


def evaluate(predict):
    return data.accuracy(predict, data.folds()[{fold}][1])
"""


def _fold(arch: str, fold: int, cache: Path, folder: Path) -> dict[str, np.ndarray]:
    """Which images of one fold the float model and each artifact get right, 0 or 1 an image."""
    import digits_data as data
    from safetensors.torch import load_file
    from train_digits import fold_weights
    weights = fold_weights(arch, fold, cache)
    module = __import__(f"digits_{arch}").build()
    module.load_state_dict(load_file(weights))
    module.eval()
    test = data.folds()[fold][1]
    images, labels = data.images()[test], data.targets()[test]
    with torch.inference_mode():
        right = {"float": (module(images).argmax(1) == labels).numpy()}
    (folder / "fold.py").write_text(FOLD.format(examples=str(EXAMPLES), arch=arch, fold=fold))
    (folder / "recipe.yaml").write_text(RECIPE.format(scheme="w8a8-static"))
    report = api.export(str(folder / "fold.py"), folder / "recipe.yaml", weights=weights, out=folder / "out")
    for entry in report.artifacts:
        path = folder / "out" / entry.artifact.path
        with RemoteSession(entry.artifact.format, path, log=folder / "log.txt") as session:
            predict = predictor(session, (images[:1],), ("image",))
            right[entry.artifact.format] = (predict(images).argmax(1) == labels).numpy()
    return right


def digits(arch: str, folds: int, cache: Path) -> list[dict[str, Any]]:
    parts = []
    for fold in range(folds):
        note(f"digits_{arch}: fold {fold}")
        with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
            parts.append(_fold(arch, fold, cache, Path(folder)))
    rows = []
    exact = np.concatenate([p["float"] for p in parts])
    for fmt in FORMATS:
        if not all(fmt in p for p in parts):
            rows.append({"workload": f"digits_{arch}", "format": fmt, "error": "a fold was not exported"})
            continue
        found = np.concatenate([p[fmt] for p in parts])
        lost, won, n = int((exact & ~found).sum()), int((found & ~exact).sum()), len(exact)
        half = 196 * math.sqrt(max(lost + won - (lost - won) ** 2 / n, 0)) / n
        drop = 100 * (lost - won) / n
        rows.append({"workload": f"digits_{arch}", "format": fmt, "images": n, "top1_float": 100 * float(exact.mean()),
                     "top1_artifact": 100 * float(found.mean()), "drop": drop, "drop_low": drop - half,
                     "drop_high": drop + half, "lost": lost, "won": won})
    return rows


def minilm() -> list[dict[str, Any]]:
    import minilm as example
    note("minilm: w8a8-dynamic")
    rows = []
    with tempfile.TemporaryDirectory(prefix="accuracy-") as temporary:
        folder = Path(temporary)
        (folder / "recipe.yaml").write_text(RECIPE.format(scheme="w8a8-dynamic"))
        report = api.export(str(EXAMPLES / "minilm.py"), folder / "recipe.yaml", out=folder / "out")
        for failure in report.failures:
            rows.append({"workload": "minilm", "format": failure.format, "error": failure.error["message"]})
        for entry in report.artifacts:
            artifact = entry.artifact
            with RemoteSession(artifact.format, folder / "out" / artifact.path, log=folder / "log.txt") as session:
                predict = predictor(session, example.example_inputs(), ("input_ids", "attention_mask"))
                top1 = example.retrieval_top1(predict)
            rows.append({"workload": "minilm", "format": artifact.format, "spearman": entry.fidelity.metric_artifact,
                         "retrieval_top1": top1, "sqnr_db": entry.fidelity.sqnr_db, "bytes": artifact.bytes,
                         "weight_bytes_by_dtype": artifact.weight_bytes_by_dtype})
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/examples"), help="weights of the fold models")
    args = parser.parse_args()
    archs, folds = (("mobilenet",), 1) if args.quick else (("mobilenet", "shufflenet", "mobilenetv3"), 5)
    rows = [row for arch in archs for row in digits(arch, folds, args.cache.resolve())]
    rows += minilm()
    drops = [r.get("drop") for r in rows if r["workload"] != "minilm"]
    spearman = [r.get("spearman") for r in rows if r["workload"] == "minilm"]
    publish("accuracy", [
        claim("largest int8 drop on digits", None if None in drops else max(drops), "points", "<=", 0.5),
        claim("smallest MiniLM w8a8-dynamic Spearman", None if None in spearman else min(spearman), "", ">=", 0.99),
    ], rows, args.out)


if __name__ == "__main__":
    main()
