"""Tensor names that tell where an operator comes from: ``features.3.conv::conv2d_7``.

litert-torch builds tensor names from each FX node's module stack, shortened so that paths cannot be told apart. So
the stack is replaced, before conversion, by one entry that holds the whole path and the FX node's name, and the names
are put into the readable form above afterwards. Names of files made without edgekit are read as far as they go.
"""

from __future__ import annotations

import re

from edgekit.formats.tflite.kinds import WEIGHTED
from edgekit.types.graph import Source

__all__ = ["base_of", "is_base", "label", "node_of", "source_of", "stack_entry", "tags_of"]

_TAG = re.compile(r"ek_([^|;/]*)\|(\w+)")
_LABEL = re.compile(r"^([^:/;]*)::([A-Za-z0-9_]+?)(?:_quantized|_dequant\w*|_requant\w*)?(?:[.:].*)?$")
_SCOPE = re.compile(r"([\w.<>]+(?:/[\w.<>]+)*);")

# The FX operators whose name an operator keeps when others are fused into it.
_BASES = {
    "CONV_2D": ("conv", "linear", "addmm", "matmul"), "DEPTHWISE_CONV_2D": ("conv",), "TRANSPOSE_CONV": ("conv",),
    "FULLY_CONNECTED": ("linear", "addmm", "mm", "matmul", "bmm", "einsum", "scaled_dot"),
    "BATCH_MATMUL": ("matmul", "bmm", "einsum", "scaled_dot", "linear"), "EMBEDDING_LOOKUP": ("embedding",),
    "ADD": ("add",), "SUB": ("sub", "rsub"), "MUL": ("mul",), "DIV": ("div",), "SOFTMAX": ("softmax", "scaled_dot"),
}


def stack_entry(module: str, node: str) -> dict[str, tuple[str, str]]:
    """What to put into a node's ``nn_module_stack``: the root, and one entry with the path and the node's name."""
    return {"": ("", "ek"), "ek": (f"{module.replace('.', ':')}|{node}", "ek")}


def tags_of(name: str) -> list[tuple[str, str]]:
    """(module path, FX node) pairs that a converted tensor's name carries, fused ones included, outermost first."""
    return [(path.replace(":", "."), node) for path, node in _TAG.findall(name)]


def base_of(tags: list[tuple[str, str]], op: str) -> tuple[str, str]:
    """The pair that ``op`` itself stands for.

    Names begin with what was fused into the operator last and end in what came first, or in another operator that
    shares one of its constants: so the first that fits, else the first of a weighted operator's chain.
    """
    fitting = [tag for tag in tags if is_base(tag[1], op)]
    return fitting[0] if fitting else tags[-1] if op in WEIGHTED else tags[0]


def is_base(node: str, op: str) -> bool:
    """Whether an FX node's name says that ``op`` stands for it (any node does where ``op`` fuses nothing)."""
    return node.startswith(_BASES[op]) if op in _BASES else True


def label(module: str, node: str, role: str = "") -> str:
    """The readable name of a value (``role`` empty) or of a constant (``role``: weight, bias, const)."""
    return f"{module}::{node}" + (f".{role}" if role else "")


def node_of(name: str) -> str | None:
    """The FX node in a readable name."""
    found = _LABEL.match(name)
    return found[2] if found else None


def source_of(name: str) -> Source | None:
    """The module that a tensor name tells, or None."""
    if found := _LABEL.match(name):
        return Source(module=found[1])
    if scopes := _SCOPE.findall(name):
        # litert-torch's own: "pkg.Net/torch.nn.modules.conv.Conv2d_stem;", the module after the class's first "_"
        steps = [step.rsplit(".", 1)[-1].partition("_")[2] for step in scopes[-1].split("/")]
        return Source(module=".".join(step for step in steps if step))
    return None
