"""What a cached capture is found by: everything that decides how the module computes, the same in every process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.contracts import Workload
from edgekit.workload.identity import identity
from edgekit.workload.load import load_workload

SAME = ("module", "example", "state", "outputs", "file workload model")


def facts(write, more: str = "", **kwargs) -> dict[str, str]:
    found = identity(load_workload(str(write(more, **kwargs))))
    assert found is not None
    return found


def test_the_same_in_another_process(write):
    here = facts(write, "NAMES = {'b', 'a', 'c'}\n")
    code = ("import json, sys\nfrom edgekit.workload.load import load_workload\n"
            "from edgekit.workload.identity import identity\n"
            "print(json.dumps(identity(load_workload(sys.argv[1]))))")
    out = subprocess.run([sys.executable, "-c", code, str(write("NAMES = {'b', 'a', 'c'}\n"))], capture_output=True,
                         text=True, check=True, env={"PYTHONHASHSEED": "7", "PATH": ""})
    other = json.loads(out.stdout)
    assert {k: here[k] for k in SAME} == {k: other[k] for k in SAME}


@pytest.mark.parametrize(("more", "part"), [
    ("def load():\n    net = Net()\n    nn.init.zeros_(net.head.bias)\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.scale = 2.0\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.body[3].p = 0.25\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.hook = lambda x: x * 2\n    return net\n", "module"),
    ("def example_inputs():\n    return torch.zeros(1, 3, 9, 9)\n", "example"),
    ("def example_inputs():\n    return torch.ones(1, 3, 8, 8)\n", "example"),
    ("import os\nWIDTH = os.environ.get('WIDTH', 4)\n", "state"),
    ("def helper(x):\n    return x + 1\n", "file workload model"),
])
def test_a_change_is_seen_where_it_is(write, more, part):
    torch.manual_seed(0)
    plain = facts(write, "def load():\n    torch.manual_seed(0)\n    return Net()\n")
    changed = facts(write, more if "def load" in more else more + "def load():\n    torch.manual_seed(0)\n"
                                                                  "    return Net()\n")
    assert plain[part] != changed[part]


def test_settings_from_the_environment_count(write, monkeypatch):
    more = ("import os\nSCALE = float(os.environ.get('SCALE', 1))\n"
            "def load():\n    torch.manual_seed(0)\n    return Net()\n")
    plain = facts(write, more)
    monkeypatch.setenv("SCALE", "2")
    changed = facts(write, more)
    assert plain["module"] == changed["module"]
    assert plain["state"] != changed["state"]


READ_BY_FORWARD = {
    "object": ("CFG = types.SimpleNamespace(scale=K())", "CFG.scale"),
    "tensor": ("SCALE = torch.tensor(K())", "SCALE"),
    "numpy": ("SCALE = np.float32(K())", "float(SCALE)"),
    "class attribute": ("class Cfg:\n    scale = K()", "Cfg.scale"),
    "attribute of an instance's class": ("class Cfg:\n    scale = K()\ncfg = Cfg()", "cfg.scale"),
    "closure": ("def make(k):\n    return lambda x: x * k\nscale = make(K())", "scale(1)"),
    "cached property": ("import functools\nclass Cfg:\n    @functools.cached_property\n    def scale(self):\n"
                        "        return SCALE\nSCALE = K()\ncfg = Cfg()", "cfg.scale"),
    "through a function": ("CFG = types.SimpleNamespace(k=K())\ndef scale():\n    return CFG.k", "scale()"),
}


def scaled(write, body: str, expression: str) -> Workload:
    """A model whose forward multiplies by ``expression``; ``K()`` is a number from the environment."""
    return load_workload(str(write(
        f"import os, types\nimport numpy as np\nK = lambda: float(os.environ.get('K', 1))\n{body}\n"
        f"class Scaled(Net):\n    def forward(self, image):\n        return super().forward(image) * {expression}\n"
        "def load():\n    torch.manual_seed(0)\n    return Scaled()\n")))


@pytest.mark.parametrize("kind", READ_BY_FORWARD)
def test_what_forward_reads_counts_though_the_file_is_the_same(write, monkeypatch, kind):
    before = identity(scaled(write, *READ_BY_FORWARD[kind]))
    assert identity(scaled(write, *READ_BY_FORWARD[kind])) == before
    monkeypatch.setenv("K", "2")
    after = identity(scaled(write, *READ_BY_FORWARD[kind]))
    assert {k for k in before if before[k] != after[k]} == {"state", "outputs"}


HIDDEN = {
    "a cached function": "@functools.lru_cache\ndef scale():\n    return TABLE",
    "a callable object": "class Scale:\n    def __call__(self):\n        return TABLE\nscale = Scale()",
    "a dict of functions": "WAYS = {'a': lambda: TABLE}\ndef scale():\n    return WAYS['a']()",
    "a file": "def scale():\n    return np.load(os.environ['FILE'])[0]",
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_no_name_leads_to_shows_in_the_outputs(write, monkeypatch, tmp_path, kind):
    def found() -> dict[str, str] | None:
        np.save(tmp_path / "file.npy", np.array([float(os.environ["K"])]))
        body = f"import functools\nTABLE = np.array(K())\nFILE = os.environ['FILE']\n{HIDDEN[kind]}"
        return identity(scaled(write, body.replace("os.environ['FILE'])[0]", "FILE)[0]"), "float(scale())"))
    monkeypatch.setenv("FILE", str(tmp_path / "file.npy"))
    monkeypatch.setenv("K", "1")
    before, again = found(), found()
    assert before is not None
    assert before == again
    monkeypatch.setenv("K", "2")
    after = found()
    assert before["outputs"] != after["outputs"]


@pytest.mark.parametrize(("body", "expression", "named"), [
    ("SCALES = iter([1.0, 2.0])", "next(SCALES)", "global SCALES of model"),
    ("", "float(os.environ.get('K', 1))", "environ"),
    ("def scale():\n    return len(open(__file__).read())", "scale()", "open"),
])
def test_a_forward_that_may_change_by_itself_has_no_identity(write, body, expression, named):
    workload = scaled(write, body, expression)
    assert identity(workload) is None
    assert named in workload.warnings[0]


def test_what_only_evaluation_reads_may_be_anything(write):
    more = ("import os\nROWS = iter([1])\nMETRIC = {'name': 'rows', 'unit': '', 'higher_is_better': True}\n"
            "def evaluate(predict):\n    return len(os.environ) + next(ROWS)\n")
    assert identity(load_workload(str(write(more)))) is not None


def test_a_file_that_the_workload_imports_counts(write, tmp_path):
    (tmp_path / "a_part_of_it.py").write_text("GAIN = 1\n")
    more = "import sys\nsys.modules.pop('a_part_of_it', None)\nimport a_part_of_it\n"
    before = facts(write, more)
    (tmp_path / "a_part_of_it.py").write_text("GAIN = 1 + 0\n")
    after = facts(write, more)
    sys.modules.pop("a_part_of_it")
    assert before["file a_part_of_it"] != after["file a_part_of_it"]


def test_library_classes_come_with_their_file_and_version(write):
    transformers = pytest.importorskip("transformers")
    module = transformers.BertModel(transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                                                            intermediate_size=8, vocab_size=8))
    workload = load_workload(str(write()))
    workload.module = module.eval()
    found = identity(workload)
    assert found["version transformers"] == transformers.__version__
    assert "file transformers.models.bert.modeling_bert" in found


@pytest.mark.parametrize("thing", [threading.Lock(), bytearray(b"x"), iter([1])])
def test_what_cannot_be_described_has_no_identity(write, thing):
    workload: Workload = load_workload(str(write()))
    workload.module.thing = thing
    assert identity(workload) is None
    assert identity(workload) is None
    (note,) = workload.warnings
    assert type(thing).__name__ in note


def test_recurrent_layers_which_refer_weakly_to_their_weights_are_described(write):
    workload = load_workload(str(write()))
    workload.module.rnn = nn.LSTM(2, 2)
    before = identity(workload)
    nn.init.zeros_(workload.module.rnn.bias_ih_l0)
    assert identity(workload)["module"] != before["module"]


def test_long_patterns_are_told_apart(write):
    workload = load_workload(str(write()))
    workload.module.pattern = re.compile("a" * 300 + "b")
    before = identity(workload)
    workload.module.pattern = re.compile("a" * 300 + "c")
    assert identity(workload)["module"] != before["module"]


def test_objects_that_hold_each_other(write):
    workload = load_workload(str(write()))
    holder = nn.Module.__new__(nn.Module)
    nn.Module.__init__(holder)
    holder.friends = [workload.module, holder]
    workload.module.__dict__["holder"] = holder
    assert identity(workload) == identity(workload)
