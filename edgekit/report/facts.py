"""The export report's facts as text, each figure with its unit and kind: what terminal and HTML page both show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.types.artifact import Artifact, KeptFloat
from edgekit.types.budget import BudgetLine
from edgekit.types.fidelity import Fidelity
from edgekit.types.latency import Latency, Memory
from edgekit.types.report import ArtifactReport, ExportReport
from edgekit.types.tensor import TensorSpec

__all__ = [
    "BUDGET_COLUMNS", "COLUMNS", "Status", "artifact_row", "budget_row", "change", "kept_float", "latency", "listing",
    "megabytes", "memory", "memory_parts", "metric", "not_delegated", "outcome", "percent", "settings", "size", "sqnr",
    "status", "tensor", "verdict",
]

COLUMNS = ("format", "scheme", "size", "weights", "MACs", "delegated MACs", "SQNR", "metric, float → artifact",
           "kept float", "status")
BUDGET_COLUMNS = ("budget", "format", "limit", "value", "unit", "", "note")
EXIT_MEANINGS = {0: "everything asked for was made and verified", 1: "a budget or gate was missed",
                 3: "a format could not be made as asked", 4: "a device could not be used",
                 5: "something around edgekit is missing or broken"}


@dataclass(frozen=True)
class Status:
    """``good`` is None where nothing decided."""

    text: str
    good: bool | None


def megabytes(count: int | float) -> str:
    """Bytes as MB of 10^6, with three significant digits below 100."""
    value = count / 1e6
    return f"{value:.0f} MB" if value >= 100 else f"{value:.1f} MB" if value >= 10 else f"{value:.3f} MB"


def size(artifact: Artifact) -> str:
    return f"{megabytes(artifact.bytes)} ({megabytes(artifact.compressed_bytes)} compressed)"


def dtypes(weights: Mapping[str, int]) -> list[str]:
    """Weight bytes by dtype with their shares, the largest first."""
    total = sum(weights.values())
    parts = sorted(weights.items(), key=lambda item: -item[1])
    return [f"{dtype} {megabytes(count)} ({count / total:.0%})" for dtype, count in parts if count] or ["none"]


def percent(share: float | None) -> str:
    return "none to share" if share is None else f"{100 * share:.1f} %"


def sqnr(fidelity: Fidelity) -> str:
    return "exactly equal" if fidelity.sqnr_db is None else f"{fidelity.sqnr_db:.1f} dB"


def metric(fidelity: Fidelity) -> str:
    """``accuracy 97.8 → 97.5 %``, with the float model's after compression in between; says so where there is none."""
    if fidelity.metric_float is None or fidelity.metric_artifact is None:
        return "no metric"
    unit = f" {fidelity.metric_unit}" if fidelity.metric_unit else ""
    between = "" if fidelity.metric_compressed is None else f"{fidelity.metric_compressed:.4g} (compressed) → "
    return f"{fidelity.metric_name} {fidelity.metric_float:.4g} → {between}{fidelity.metric_artifact:.4g}{unit}"


def latency(value: Latency) -> str:
    """Milliseconds with kind, interval, and all that they hold for."""
    kind, span = (("predicted", "90 % interval") if value.kind == "predicted" else ("measured", "p10 to p90"))
    tier = f", {value.tier}" if value.tier else ""
    threads = f"{value.threads} thread{'s' if value.threads != 1 else ''}"
    return (f"{value.ms:.3g} ms {kind} ({span} {value.low_ms:.3g} to {value.high_ms:.3g} ms{tier}) on {value.device} "
            f"{value.processor}, {threads}, {value.runtime}")


def memory(value: Memory) -> str:
    return f"{megabytes(value.peak_bytes)} peak, {value.kind}{memory_parts(value, megabytes)}"


def memory_parts(value: Memory, shown: Callable[[int], str]) -> str:
    """``: arena 1, weights 2, runtime 3``, each as ``shown`` says bytes; nothing where none is known."""
    named = {"arena": value.arena_bytes, "weights": value.weight_bytes, "runtime": value.runtime_bytes}
    parts = ", ".join(f"{name} {shown(n)}" for name, n in named.items() if n is not None)
    return f": {parts}" if parts else ""


def tensor(spec: TensorSpec) -> str:
    """``image float32 [1, 3, 64, 64] nchw``, with scale and zero point where it is quantised."""
    text = f"{spec.name} {spec.dtype} [{', '.join(map(str, spec.shape))}]"
    if spec.layout:
        text += f" {spec.layout}"
    if spec.quant:
        text += f", scale {spec.quant.scale[0]:.6g}, zero point {spec.quant.zero_point[0]}"
    return text


def verdict(line: BudgetLine) -> Status:
    """Met, missed, or not evaluated: what nothing evaluated is never met."""
    if line.met is None:
        return Status("not evaluated", None)
    return Status("met", True) if line.met else Status("MISSED", False)


def status(report: ExportReport, one: ArtifactReport) -> Status:
    """An artifact is verified unless it missed a budget of its own."""
    missed = [line.name for line in report.budget if line.artifact == one.artifact.format and line.met is False]
    return Status(f"MISSED {', '.join(missed)}", False) if missed else Status("verified", True)


def artifact_row(report: ExportReport, one: ArtifactReport) -> list[str | Status]:
    """An artifact's cells under :data:`COLUMNS`; a line break parts what a cell holds."""
    artifact, kept = one.artifact, one.artifact.kept_float
    return [
        artifact.format, f"{artifact.scheme}\n{artifact.backend}",
        f"{megabytes(artifact.bytes)}\n{megabytes(artifact.compressed_bytes)} compressed",
        "\n".join(dtypes(artifact.weight_bytes_by_dtype)), f"{artifact.macs / 1e6:.2f} M",
        percent(artifact.macs_delegated_share), f"{sqnr(one.fidelity)}\n{one.fidelity.inputs} inputs",
        metric(one.fidelity),
        f"{len(kept)} named\n{percent(sum(k.macs_share for k in kept))} of MACs" if kept else "none",
        status(report, one)]


def budget_row(line: BudgetLine) -> list[str | Status]:
    """A budget's cells under :data:`BUDGET_COLUMNS`."""
    return [line.name, line.artifact or "all", f"{line.limit:g}", "" if line.value is None else f"{line.value:.4g}",
            line.unit, verdict(line), line.note or ""]


def change(changed: Mapping[str, float]) -> list[str]:
    """A pass's numbers; what has a ``_before`` and an ``_after`` is put side by side with the change in per cent."""
    lines = []
    for key, value in changed.items():
        name = key.removesuffix("_before")
        after = changed.get(f"{name}_after")
        if key.endswith("_before") and after is not None:
            share = f" ({100 * (after - value) / value:+.1f} %)" if value else ""
            lines.append(f"{name} {_number(value)} → {_number(after)}{share}")
        elif not (key.endswith("_after") and f"{key.removesuffix('_after')}_before" in changed):
            lines.append(f"{key} {_number(value)}")
    return lines


def settings(values: Mapping[str, Any]) -> str:
    """Settings on one line, nested ones in brackets; those that are not set are left out."""
    return ", ".join(f"{key} {_setting(value)}" for key, value in values.items() if value is not None)


def outcome(report: ExportReport) -> Status:
    """The whole run in one sentence."""
    text = EXIT_MEANINGS.get(report.exit_status, f"exit status {report.exit_status}")
    left = list(dict.fromkeys(line.name for line in report.budget if line.met is None))
    if left:
        text += f"; {len(left)} budget{'s were' if len(left) > 1 else ' was'} not evaluated ({', '.join(left)})"
    return Status(text, report.exit_status == 0)


def listing(items: Sequence[str], most: int) -> list[str]:
    """The first items, and how many more there are."""
    return [*items[:most], *([f"... and {len(items) - most} more"] if len(items) > most else [])]


def kept_float(artifact: Artifact) -> list[str]:
    """What stays wider than the scheme: where, at what cost, why; operators of one kind, place and reason together."""
    groups: dict[tuple[str, str, str], list[KeptFloat]] = {}
    for k in artifact.kept_float:
        groups.setdefault((k.op, k.where, k.reason), []).append(k)
    return [f"{op}{f' x {len(group)}' if len(group) > 1 else ''} at {where or '<top>'} "
            f"({megabytes(sum(k.bytes for k in group))}, {percent(sum(k.macs_share for k in group))} of MACs): {reason}"
            for (op, where, reason), group in groups.items()]


def not_delegated(artifact: Artifact) -> list[str]:
    """What the asked backend does not run, the same operator with the same reason once."""
    places: dict[tuple[str, str], list[str]] = {}
    for n in artifact.not_delegated:
        places.setdefault((n.op, n.reason), []).append(n.where or "<top>")
    return [f"{op} at {_places(where)}: {reason}" for (op, reason), where in places.items()]


def _places(where: Iterable[str]) -> str:
    return ", ".join(listing(list(dict.fromkeys(where)), 3))


def _number(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g} M"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({settings(value)})"
    return (", ".join(map(str, value)) or "none") if isinstance(value, (list, tuple)) else str(value)
