"""The JSON documents of a ``.pt2``: what torch evaluates, imports, calls or writes into generated code.

A program's operators are looked up by name from ``torch`` (``torch.os.system`` would be found), its shape expressions
are evaluated by sympy, classes and factories of its input structure are imported, and its names become Python source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["Unsafe", "check_document"]


class Unsafe(Exception):
    """Why a document is refused; becomes a WorkloadError with the file's name."""


# Registered operators of torch and of the quantisation libraries, and Python's arithmetic on sizes.
_TARGET = re.compile(
    r"(torch\.ops\.)?(aten|prim|prims|quantized_decomposed|torchao|torchvision|transformers)\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|map_impl|scan|while_loop|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.\w+|torch\.sym_\w+|torch\._sym_\w+")
_FORBIDDEN_TARGET = re.compile(r"from_file|\bsave\b|\bprint\b|RaiseException")
# Names of nodes, weights, arguments and modules: nothing that could end a string or begin an expression.
_NAME = re.compile(r"[\w.\-/@:$+* ]*")
# Text that stays text: traces and comments. Strings among an operator's arguments are quoted by torch (as_string).
_FREE_TEXT = frozenset(
    ("metadata", "as_string", "as_strings", "guards_code", "torch_version", "stack_trace", "nn_module_stack",
     "source_fn_stack", "torch_fn", "from_node", "custom", "is_hop_single_tensor_return"))
_SPECS = ("in_spec", "out_spec", "treespec")
# Keys of pytree specifications whose value torch imports.
_IMPORTING = ("default_factory_module", "__enum__")
_ARITHMETIC = re.compile(r"[\w\s+\-*/%(),<>=&|~!]*")
_SYMBOL = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)|Float\('[\d.e+-]+', precision=\d+\)")
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")
_FUNCTIONS = frozenset(re.findall(
    r"\w+", "Abs Add And CeilDiv CeilToInt CleanDiv Eq Equality FloatPow FloatTrueDiv FloorDiv FloorToInt Ge Gt "
    "Identity Integer IntTrueDiv IsNonOverlappingAndDenseIndicator LShift Le Lt Max Min Mod ModularIndexing Mul Ne Not "
    "Or Piecewise Pow PowByNatural PythonMod RShift Rational RoundDecimal RoundToInt ToFloat TruncToFloat TruncToInt "
    "Unequality Where ceiling floor sqrt"))


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every (key, string) of a document that is not free text; keys themselves come with the key ``"name"``."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child, key)
    elif isinstance(value, dict):
        for name, child in value.items():
            yield "name", name
            if name not in _FREE_TEXT:
                yield from _strings(child, name)


def check_document(document: Any) -> None:
    """Raises :class:`Unsafe` where ``document`` holds more than the description of a graph."""
    for key, text in _strings(document):
        if key in _SPECS:
            _check_structure(text)
        elif key == "expr_str":
            _check_expression(text)
        elif key in ("target", "as_operator"):
            _check_target(text)
        elif not _NAME.fullmatch(text):
            raise Unsafe(f"{key} {text[:60]!r} is no name")


def _check_target(text: str) -> None:
    # Graph signatures have targets too: names of weights, which never begin with a package that operators come from.
    if re.match(r"(torch|_operator|math|aten|prims?|#)(\.|$|#)", text) or text.startswith("#"):
        if not _TARGET.fullmatch(text) or _FORBIDDEN_TARGET.search(text):
            raise Unsafe(f"it calls {text[:60]!r}, which is no operator of a model")
    elif not _NAME.fullmatch(text):
        raise Unsafe(f"target {text[:60]!r} is no name")


def _check_structure(text: str) -> None:
    """The structure of inputs and outputs: JSON in a string, with contexts that may be JSON in strings again."""
    if not text:
        return
    try:
        structure = json.loads(text)
    except ValueError as error:
        raise Unsafe("its input structure is not JSON") from error
    _check_structure_value(structure)


def _check_structure_value(value: Any) -> None:
    if isinstance(value, list):
        for child in value:
            _check_structure_value(child)
    elif isinstance(value, dict):
        for key, child in value.items():
            if key in _IMPORTING or child == "collections.defaultdict" or (
                    key == "fqn" and isinstance(child, str) and ":" in child):
                raise Unsafe(f"its input structure imports {child!r}")
            _check_structure_value(child)
    elif isinstance(value, str):
        if value[:1] in ("[", "{", '"'):
            _check_structure(value)
        elif not _NAME.fullmatch(value):
            raise Unsafe(f"{value[:60]!r} in its input structure is no name")


def _check_expression(text: str) -> None:
    plain = _SYMBOL.sub("s", text)
    plain = re.sub(r"\d+\.\d*(e[+-]?\d+)?", "0", plain)  # decimals, so that no other dot is left
    strange = set(_CALLED.findall(plain)) - _FUNCTIONS
    if strange or "__" in plain or not _ARITHMETIC.fullmatch(plain):
        raise Unsafe(f"the shape expression {text[:60]!r} is not arithmetic")
