"""Small images and what edgekit makes of them, for the app's own preprocessing: run with ``--check`` to compare only.

The app's JUnit test reads the same file and must agree bit for bit. The order of a resize's two passes is Pillow 13's;
quantised tensors are those that edgekit gives an artifact.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.types.tensor import QuantParams, TensorSpec
from edgekit.verify.predictor import to_artifact
from edgekit.workload.images import read_image
from edgekit.workload.preprocess import Preprocess

VECTORS = Path(__file__).parents[2] / "android_demo/core/src/test/resources/preprocess_vectors.json"
_SEED = 20250
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

# name, image (height, width), input (height, width), preprocess()
_CASES: list[tuple[str, tuple[int, int], tuple[int, int], dict[str, Any]]] = [
    ("no resize, plain scale", (6, 5), (6, 5), {}),
    ("no resize, imagenet", (4, 4), (4, 4), dict(_IMAGENET)),
    ("down nearest", (17, 23), (5, 7), {"interpolation": "nearest"}),
    ("down bilinear", (17, 23), (5, 7), _IMAGENET),
    ("down bicubic", (17, 23), (5, 7), {"interpolation": "bicubic", **_IMAGENET}),
    ("up nearest", (5, 3), (13, 11), {"interpolation": "nearest"}),
    ("up bilinear", (5, 3), (13, 11), {"mean": (0.5,), "std": (0.5,)}),
    ("up bicubic", (5, 3), (13, 11), {"interpolation": "bicubic"}),
    ("down bgr nhwc", (31, 29), (8, 8), {"color": "bgr", "layout": "nhwc", "scale": 1.0,
                                        "mean": (103.53, 116.28, 123.675), "std": (57.375, 57.12, 58.395)}),
    ("down gray", (40, 33), (9, 10), {"color": "gray", "mean": (0.1307,), "std": (0.3081,)}),
    ("up gray bicubic nhwc", (7, 9), (20, 16), {"color": "gray", "layout": "nhwc", "interpolation": "bicubic"}),
    ("wider and lower", (24, 6), (7, 19), {"interpolation": "bicubic", "layout": "nhwc"}),
    ("lower", (31, 38), (12, 36), {"interpolation": "bicubic"}),
    ("twice as many rows lost, not more", (31, 20), (11, 10), {"interpolation": "bicubic"}),
    ("narrower and higher", (6, 24), (19, 7), {"interpolation": "bilinear"}),
    ("width only", (9, 14), (9, 5), {"interpolation": "bilinear", "color": "bgr"}),
    ("height only", (11, 8), (4, 8), {"interpolation": "bicubic"}),
    ("one pixel to many", (1, 1), (3, 4), {"interpolation": "bicubic", "scale": 1 / 127.5, "mean": (1.0,)}),
    ("many to one pixel", (64, 48), (1, 1), {"interpolation": "bilinear"}),
    ("far down nearest", (97, 89), (10, 3), {"interpolation": "nearest", "color": "gray"}),
    ("far down bicubic", (97, 89), (10, 3), {"interpolation": "bicubic"}),
    ("hard edges bicubic", (12, 12), (32, 32), {"interpolation": "bicubic", "color": "gray"}),
]
_INTEGERS = {"scale": 1.0}  # pixels as they are: scales of 2 and more then meet exact halves

# name, preprocess(), dtype, the tensor's layout, scale, zero point
_QUANTISED: list[tuple[str, dict[str, Any], str, str | None, float, int]] = [
    ("int8 by its usual scale", {}, "int8", None, 0.003921568859368563, -128),
    ("uint8 by its usual scale", {}, "uint8", None, 0.003921568859368563, 0),
    ("int8 imagenet nhwc", _IMAGENET, "int8", "nhwc", 0.018658448010683060, -14),
    ("uint8 imagenet nhwc", _IMAGENET, "uint8", "nhwc", 0.018658448010683060, 114),
    ("int8 from nhwc", {"layout": "nhwc", "mean": (0.5,), "std": (0.5,)}, "int8", None, 0.0078125, -1),
    ("int8 halves", _INTEGERS, "int8", None, 2.0, -64),
    ("int8 halves and odd zero", {"mean": (128.0,), **_INTEGERS}, "int8", "nhwc", 2.0, 3),
    ("uint8 halves", {"mean": (128.0,), **_INTEGERS}, "uint8", None, 2.0, 97),
    ("uint8 halves of sixths", _INTEGERS, "uint8", "nhwc", 6.0, 5),
    ("int8 clamped at both ends", {"mean": (128.0,), **_INTEGERS}, "int8", None, 0.5, 10),
    ("uint8 clamped at both ends", {"mean": (128.0,), "color": "gray", **_INTEGERS}, "uint8", None, 0.3, 120),
    ("int8 halves in float32 only", {"scale": 0.05, "color": "bgr"}, "int8", None, 0.1, -3),
]


def _image(name: str, size: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    if name.startswith("hard edges"):  # a bicubic filter overshoots here: sums beyond 0 and 255 are clipped
        return np.repeat((np.indices(size).sum(0) // 3 % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    return random.integers(0, 256, (*size, 3), dtype=np.uint8)


def _ramp(random: np.random.Generator) -> np.ndarray:
    """Every brightness there is, in all channels, none of them in the same order."""
    return np.stack([random.permutation(256).astype(np.uint8).reshape(8, 32) for _ in range(3)], axis=2)


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def vectors() -> dict[str, Any]:
    """The document: pixels as bytes of height x width x 3, values as little-endian float32 or as the tensor has it."""
    random = np.random.default_rng(_SEED)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size, wanted, options in _CASES:
            pixels = _image(name, size, random)
            file = Path(folder) / "image.png"
            Image.fromarray(pixels).save(file)
            how = Preprocess.model_validate(options)
            cases.append({"name": name, "height": size[0], "width": size[1], "pixels": _text(pixels),
                          "input": list(wanted), "preprocess": how.model_dump(mode="json"), "tensor": None,
                          "values": _text(read_image(file, how, wanted).numpy().astype("<f4"))})
        for name, options, dtype, layout, scale, zero in _QUANTISED:
            pixels = _ramp(random)
            file = Path(folder) / "image.png"
            Image.fromarray(pixels).save(file)
            how = Preprocess.model_validate(options)
            value = read_image(file, how, pixels.shape[:2]).numpy()
            spec = TensorSpec(name="image", shape=value.shape, dtype=dtype, layout=layout,
                              quant=QuantParams(scale=(scale,), zero_point=(zero,)))
            cases.append({"name": name, "height": pixels.shape[0], "width": pixels.shape[1], "pixels": _text(pixels),
                          "input": list(pixels.shape[:2]), "preprocess": how.model_dump(mode="json"),
                          "tensor": {"dtype": dtype, "layout": layout, "scale": scale, "zero_point": zero},
                          "values": _text(to_artifact(value, spec))})
    return {"schema": "edgekit/preprocess-vectors/1", "cases": cases}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    document = vectors()
    cases = ",\n".join(json.dumps(case) for case in document["cases"])
    text = f'{{"schema": "{document["schema"]}", "cases": [\n{cases}\n]}}\n'
    if not parser.parse_args().check:
        VECTORS.write_text(text)
    elif VECTORS.read_text() != text:
        print(f"{VECTORS.name} is not what edgekit's preprocessing gives; run this without --check, then the app's "
              "tests: the app must follow", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
