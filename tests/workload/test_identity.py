"""What a cached capture is found by: everything that decides how the module computes, the same in every process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from edgekit.contracts import Workload
from edgekit.workload.identity import identity
from edgekit.workload.load import load_workload


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
    assert {k: v for k, v in here.items() if "workload model" in k or k in ("module", "example")} == \
           {k: v for k, v in other.items() if "workload model" in k or k in ("module", "example")}


@pytest.mark.parametrize(("more", "part"), [
    ("def load():\n    net = Net()\n    nn.init.zeros_(net.head.bias)\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.scale = 2.0\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.body[3].p = 0.25\n    return net\n", "module"),
    ("def load():\n    net = Net()\n    net.hook = lambda x: x * 2\n    return net\n", "module"),
    ("def example_inputs():\n    return torch.zeros(1, 3, 9, 9)\n", "example"),
    ("def example_inputs():\n    return torch.ones(1, 3, 8, 8)\n", "example"),
    ("import os\nWIDTH = os.environ.get('WIDTH', 4)\n", "globals workload model"),
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
    assert plain["globals workload model"] != changed["globals workload model"]


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
