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
