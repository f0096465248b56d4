"""Predictions as table rows: operators by their share of the time, bytes by dtype and layer."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.types.estimate import DeviceEstimate

__all__ = ["OPERATOR_COLUMNS", "dtypes", "guessed", "largest", "operator_rows", "parts"]

OPERATOR_COLUMNS = ("share of time, predicted", "bound by", "operator", "dtype", "module")


def parts(found: DeviceEstimate) -> str:
    """What the time is spent on, and where."""
    p = found.parts
    return (f"bound by {p.bound_by}: compute {p.compute_ms:.3g} ms, memory {p.memory_ms:.3g} ms, overhead "
            f"{p.overhead_ms:.3g} ms on {found.facts['cluster']}")


def guessed(found: DeviceEstimate) -> list[str]:
    """A line with the kernels that nobody counted and what stands for them; none where all were counted."""
    kernels = found.facts.get("kernels_not_counted")
    return [f"kernels that nobody counted: {kernels}"] if kernels else []


def operator_rows(found: DeviceEstimate) -> list[list[str]]:
    """Under :data:`OPERATOR_COLUMNS`, the largest share first; operators that take no time are left out."""
    return [[f"{100 * op.share:.1f} %", op.bound_by, op.name, op.dtype, op.module or ""]
            for op in sorted(found.operators, key=lambda op: -op.share) if op.share > 0]


def largest(by_layer: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """Layers and their bytes of constants, in order; those after ``most`` together."""
    layers = list(by_layer.items())
    rest = sum(n for _, n in layers[most:])
    return layers[:most] + ([(f"in {len(layers) - most} more layers", rest)] if rest else [])


def dtypes(bytes_by: Mapping[str, int]) -> str:
    return ", ".join(f"{dtype} {n:,}" for dtype, n in bytes_by.items()) or "none"
