"""Operators that cannot stand quantisation, as data: what stays float in every format, and why."""

from __future__ import annotations

from collections.abc import Iterator

from torch.fx import Node

from edgekit.contracts import FloatRule, Program
from edgekit.quantize.kinds import op_name
from edgekit.quantize.wiring import Wiring, tensor_of
from edgekit.types.kinds import WEIGHTED_KINDS
from edgekit.types.scheme import Scheme

__all__ = ["LONG_SOFTMAX", "VERY_LONG_SOFTMAX", "default_rules"]

# Keys of an attention. Simulated with normal scores (spread 1 to 2): int8 probabilities on TFLite's fixed grid of 1/256
# give 27 to 38 dB at 64 keys, 21 to 34 at 128, 4 to 17 at 1,500.
LONG_SOFTMAX = 64
# With calibrated min/max grids: 19 to 48 dB at 512 keys, 13 to 46 at 1,500. From here on the product with the
# values, which would round the probabilities again, stays float too.
VERY_LONG_SOFTMAX = 512

_EXPONENTIAL = "converters take it apart, and small values are lost in its exponential's 8 bits"
# Values span so many powers of ten, or errors grow so much in what follows, that 256 steps are too few.
FRAGILE = {
    "layer_norm": "divides by a spread it has to measure in full precision",
    "group_norm": "divides by a spread it has to measure in full precision",
    "pow": "powers spread values over too many orders of magnitude for 8 bits",
    "exp": "exponentials spread values over too many orders of magnitude for 8 bits",
    "log": "logarithms of values rounded to zero are lost",
    "sqrt": "roots magnify the rounding of small values",
    "rsqrt": "inverse roots magnify the rounding of small values",
    "div": "quotients magnify the rounding of small divisors",
    "elu": _EXPONENTIAL,
    "erf": "a piece of GELU whose later products magnify its rounding",
    "cumsum": "rounding errors add up along the axis",
    "sin": "angles need finer steps than 8 bits over their range",
    "cos": "angles need finer steps than 8 bits over their range",
}
# By ATen name, operators of kinds that stand it otherwise.
_FRAGILE_NAMES = {
    **dict.fromkeys(("mish", "softplus"), _EXPONENTIAL),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean", "linalg_vector_norm", "cosine_similarity"),
                    "squares spread values over too many orders of magnitude for 8 bits"),
    **dict.fromkeys(("upsample_bicubic2d", "grid_sampler", "grid_sampler_2d"),
                    "converters take it apart, and the rounding of dozens of pieces adds up"),
}
# Masks use -1e4 (float16 models), -1e9, float32's lowest number or minus infinity; no trained weight comes near.
_HUGE = -9e3
_NORMS = {"layer_norm", "group_norm"}
# The element-wise half of a recurrent layer. A trained LSTM over 32 steps in TFLite: 33 dB with all of it in int8,
# 42 with the matrix products alone.
_STATE_KINDS = ("add", "sub", "mul", "sigmoid", "tanh")
# At the model's own top level, node by node: a rule for "" would read as the whole model.
_TOP = ""


def default_rules(program: Program, scheme: Scheme) -> tuple[FloatRule, ...]:
    """What stays float under ``scheme`` (origin "rule"). Empty where activations stay float or are scaled as they come.

    A module made of element-wise operators only, one of them fragile (a LayerNorm, a GELU written out), is kept float
    as a whole, because converters break it into pieces that share its module path. Otherwise the rule names one node.
    """
    if scheme.ranges != "static":
        return ()
    wiring = Wiring(program)
    rules = [*_softmax_rules(wiring, scheme), *_fragile_rules(wiring), *_residual_rules(wiring),
             *_recurrent_rules(wiring)]
    return tuple(dict.fromkeys(rules))


def _fragile_rules(wiring: Wiring) -> Iterator[FloatRule]:
    weighted = {s.module for n in wiring.nodes if wiring.kinds[n] in WEIGHTED_KINDS and (s := wiring.source(n))}
    for node in wiring.nodes:
        kind, source = wiring.kinds[node], wiring.source(node)
        reason = _FRAGILE_NAMES.get(op_name(node), FRAGILE.get(kind))
        if reason is None or not wiring.is_real(node):
            continue
        module = source.module if source else "*"
        holds_weights = any(path == module or path.startswith(module + ".") for path in weighted)
        if module in ("*", _TOP) or holds_weights:
            yield FloatRule(module, kind, reason, "rule", node.name)
        else:
            yield FloatRule(module, "*", reason, "rule")


def _residual_rules(wiring: Wiring) -> Iterator[FloatRule]:
    """Sums that a float normalisation reads: it would dequantise them at once, and their outliers take the range."""
    for node in wiring.nodes:
        if wiring.kinds[node] == "add" and wiring.is_real(node) and wiring.reader_kinds(node) & _NORMS:
            yield _rule(wiring, node, "add", "a residual sum with outliers, read by a float normalisation")


def _recurrent_rules(wiring: Wiring) -> Iterator[FloatRule]:
    """The state of a recurrent layer: rounded at every step, its errors would add up over them."""
    for node in wiring.nodes:
        source = wiring.source(node)
        if wiring.kinds[node] == "rnn" and source is not None:
            for kind in _STATE_KINDS:
                yield FloatRule(source.module, kind, "a recurrent layer's state, whose rounding adds up over the steps",
                                "rule")


def _softmax_rules(wiring: Wiring, scheme: Scheme) -> Iterator[FloatRule]:
    for node in wiring.nodes:
        keys = _softmax_length(wiring, node)
        if keys is None:
            continue
        mask = _masking(wiring, node)
        fused = op_name(node) == "scaled_dot_product_attention"
        if mask is not None or (fused and _has_mask(node)):
            reason = "its mask's huge negative values would take the whole range of 256 steps"
        elif keys > LONG_SOFTMAX and scheme.activations == "int8":
            reason = f"probabilities over {keys} keys are smaller than one of 256 steps"
        else:
            continue
        yield _rule(wiring, node, "softmax", reason, named=not fused)
        if mask is not None:
            yield _rule(wiring, mask, wiring.kinds[mask], reason)
        elif fused and _has_mask(node):
            yield _rule(wiring, node, "add", reason, named=False)
        if keys > VERY_LONG_SOFTMAX and scheme.activations == "int8":
            for user in (node,) if fused else _product(wiring, node):
                yield _rule(wiring, user, "matmul", reason)


def _rule(wiring: Wiring, node: Node, kind: str, reason: str, *, named: bool = True) -> FloatRule:
    source = wiring.source(node)
    return FloatRule(source.module if source else "*", kind, reason, "rule", node.name if named else None)


def _softmax_length(wiring: Wiring, node: Node) -> int | None:
    """Length of the axis that a softmax (or fused attention) normalises over; None for other nodes."""
    if op_name(node) == "scaled_dot_product_attention":
        key = tensor_of(node.args[1]) if isinstance(node.args[1], Node) else None
        return int(key.shape[-2]) if key is not None else None
    value = tensor_of(node)
    if wiring.kinds[node] != "softmax" or value is None:
        return None
    axis = node.args[1]
    return int(value.shape[axis]) if isinstance(axis, int) else None


def _has_mask(node: Node) -> bool:
    """Whether a fused attention masks: an explicit mask (argument 3) or a causal one (argument 5)."""
    explicit = node.args[3] if len(node.args) > 3 else node.kwargs.get("attn_mask")
    causal = node.args[5] if len(node.args) > 5 else node.kwargs.get("is_causal")
    return explicit is not None or bool(causal)


def _masking(wiring: Wiring, softmax: Node) -> Node | None:
    """What masks in front of a softmax: an addition of something no weight and no real input takes part in, or a choice
    (where, masked fill)."""
    before = wiring.root(softmax.all_input_nodes[0])
    if wiring.kinds[before] == "add" and any(_is_mask(wiring, n) for n in before.all_input_nodes):
        return before
    if wiring.kinds[before] == "where" and _is_mask(wiring, before):
        return before
    return None


def _is_mask(wiring: Wiring, node: Node) -> bool:
    """Whether a value holds a huge negative constant, or a choice (where, masked fill) made from such constants."""
    node = wiring.root(node)
    if node in wiring.constants:
        value = wiring.constants[node]
        return value.is_floating_point() and value.numel() > 0 and float(value.min()) < _HUGE
    if wiring.kinds[node] not in ("where", "mul", "constant"):
        return False
    scalars = [a for a in node.args if isinstance(a, int | float)]
    return any(a < _HUGE for a in scalars) or any(_is_mask(wiring, n) for n in node.all_input_nodes)


def _product(wiring: Wiring, node: Node) -> Iterator[Node]:
    """The matrix products that read a softmax's output."""
    for user in node.users:
        if wiring.passes(user):
            yield from _product(wiring, user)
        elif wiring.kinds[user] == "matmul":
            yield user
