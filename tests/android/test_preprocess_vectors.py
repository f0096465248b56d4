import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_name("preprocess_vectors.py")
VECTORS = Path(__file__).parents[2] / "android_demo/core/src/test/resources/preprocess_vectors.json"


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)


def test_the_vectors_are_what_edgekit_gives():
    done = run("--check")
    assert done.returncode == 0, done.stderr


def test_the_vectors_cover_what_preprocess_can_say():
    cases = json.loads(VECTORS.read_text())["cases"]
    how = [case["preprocess"] for case in cases]
    assert {h["interpolation"] for h in how} == {"nearest", "bilinear", "bicubic"}
    assert {h["color"] for h in how} == {"rgb", "bgr", "gray"}
    assert {h["layout"] for h in how} == {"nchw", "nhwc"}
    sizes = np.array([[case["height"], case["width"], *case["input"]] for case in cases])
    assert (sizes[:, 0] > sizes[:, 2]).any()
    assert (sizes[:, 0] < sizes[:, 2]).any()
    assert (sizes[:, :2] == sizes[:, 2:]).all(1).any()


def test_the_quantised_cases_meet_every_rule():
    """Both types, several grids, both layouts, both ends, and halves; which way they went is to_artifact's word."""
    cases = [case for case in json.loads(VECTORS.read_text())["cases"] if case["tensor"]]
    tensors = [case["tensor"] for case in cases]
    assert {(t["dtype"], t["layout"]) for t in tensors} == {(d, y) for d in ("int8", "uint8") for y in (None, "nhwc")}
    for dtype in ("int8", "uint8"):
        own = [t for t in tensors if t["dtype"] == dtype]
        assert len({t["scale"] for t in own}) > 3
        assert len({t["zero_point"] for t in own}) > 3
        limits = np.iinfo(dtype)
        clamped, halves = set(), 0
        for case in cases:
            how, tensor = case["preprocess"], case["tensor"]
            if tensor["dtype"] != dtype or how["scale"] != 1.0:
                continue
            steps = (np.arange(256) - how["mean"][0]) / tensor["scale"]  # of every brightness
            stored = np.rint(steps) + tensor["zero_point"]
            found = np.frombuffer(base64.b64decode(case["values"]), dtype)
            clamped |= {end for end, met in ((limits.min, stored.min() < limits.min),
                                             (limits.max, stored.max() > limits.max)) if met and end in found}
            halves += int((np.abs(steps % 1) == 0.5).sum())
        assert clamped == {limits.min, limits.max}
        assert halves > 100
