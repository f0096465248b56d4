"""Kernel tables from the counted operators: writes ``device_profiles/kernels/FORMAT/CORE.yaml``.

What a call costs beside its operators is extrapolated from chains of the smallest operators to none, and subtracted.
Then the operators around the one that a case is for (quantising, dequantising, turning) are subtracted by the kernels
that were fitted to them, cases with the fewest operators first.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from cases import CHAINS
from kernel_fit import Counted, fit_kernel

from edgekit.devices.catalogue import get_core
from edgekit.estimate.kernels import Kernel, KernelTable, Operator, work_of
from edgekit.estimate.operators import operators_of
from edgekit.estimate.price import Misses, Work
from edgekit.types.graph import OpGraph

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data" / "kernels"
TABLES = HERE.parents[1] / "device_profiles" / "kernels"
DIGITS = 4
TERMS = ("macs", "inputs", "outputs", "input_bytes", "output_bytes", "weight_bytes", "regions", "calls")
RUNTIMES = {"tflite": "ai-edge-litert 2.3.0", "executorch": "executorch 1.5.1", "onnx": "onnxruntime 1.31.1"}


@dataclass(frozen=True)
class Row:
    """One counted artifact."""

    case: str
    scheme: str
    core: str
    operators: tuple[Operator, ...]
    work: Work


def rows_of(format_name: str) -> list[Row]:
    graphs = {tuple(one["key"]): OpGraph.model_validate(one["graph"])
              for one in map(json.loads, (DATA / f"{format_name}.jsonl").open())}
    rows = []
    for row in csv.DictReader((DATA / f"{format_name}.csv").open()):
        graph = graphs[row["case"], row["scheme"]]
        work = Work.of_classes({name[2:]: float(n) for name, n in row.items() if name.startswith("n_")},
                               [Misses(float(row["l1_misses"]), float(row["l1_streamed"]))], len(graph.ops))
        rows.append(Row(row["case"], row["scheme"], row["core"], tuple(o for _, o in operators_of(graph)), work))
    return rows


def minus(work: Work, other: Work, times: float = 1) -> Work:
    groups = {g: max(n - times * other.groups.get(g, 0.0), 0.0) for g, n in work.groups.items()}
    mine, theirs = work.levels[0], other.levels[0]
    lines = max(mine.lines - times * theirs.lines, 0.0)
    return replace(work, groups=groups, levels=(Misses(lines, min(
        max(mine.streamed - times * theirs.streamed, 0.0), lines)),))


def bare_call(rows: Iterable[Row]) -> Work:
    """What a call costs that has no operators: a chain of one, less a chain's step."""
    short, long = (next(r.work for r in rows if r.case == f"chain {n}" and r.scheme == "fp32") for n in CHAINS)
    return minus(short, minus(long, short), 1 / (CHAINS[1] - CHAINS[0]))


def fit_table(rows: list[Row]) -> dict[str, Kernel]:
    """Kernels that stand alone in an artifact first, then those beside them; at last all of a case's own once more."""
    bare, first = bare_call(rows), first_of(rows[0].core)
    left = [(r.operators, minus(r.work, bare)) for r in rows if not r.case.startswith("chain")]
    kernels: dict[str, Kernel] = {}
    while True:
        calls: dict[str, list[Counted]] = {}
        alone = set()
        for operators, work in left:
            unknown = {o.kernel for o in operators} - set(kernels)
            if len(unknown) == 1:
                name = unknown.pop()
                calls.setdefault(name, []).extend(own(name, operators, work, kernels, first))
                alone |= {name} if all(o.kernel == name for o in operators) else set()
        found = {name: fit_kernel(calls[name]) for name in sorted(alone or calls) if calls[name]}
        if not found:
            break
        kernels |= found
    for name in kernels:
        calls_of = [one for operators, work in left
                    if main_of(operators) == name and all(o.kernel in kernels for o in operators)
                    for one in own(name, operators, work, kernels, first)]
        if calls_of:
            kernels[name] = fit_kernel(calls_of)
    for name in sorted({o.kernel for operators, _ in left for o in operators} - set(kernels)):
        note(f"{name}: not told apart from others")
    return dict(sorted(kernels.items()))


def first_of(core: str) -> float:
    """Bytes of the core's first cache."""
    return get_core(core).l1d.kb * 1024.0


def main_of(operators: Sequence[Operator]) -> str | None:
    """The kernel that a case is for: that of the multiply-accumulates or inner calls, or the only one."""
    names = {o.kernel for o in operators if o.macs or o.calls} or {o.kernel for o in operators}
    return names.pop() if len(names) == 1 else None


def own(name: str, operators: Sequence[Operator], work: Work, kernels: Mapping[str, Kernel],
        first: float) -> list[Counted]:
    """The calls of ``name`` in an artifact as one, without what the others execute: all its terms are sums."""
    mine = [o for o in operators if o.kernel == name]
    for o in operators:
        if o.kernel != name:
            work = minus(work, work_of(o, kernels[o.kernel], (first,), 0))
    weights = sum(o.weight_bytes for o in mine)
    one = Operator(name, **{f: sum(getattr(o, f) for o in mine) for f in TERMS},
                   rows=sum(o.rows * o.weight_bytes for o in mine) / weights if weights else 0)
    found = Counted(one, work.groups, work.levels[0].lines, work.levels[0].streamed, first)
    return [found] if found.instructions > 0 else []


def predicted(row: Row, kernels: dict[str, Kernel], bare: Work) -> tuple[float, float] | None:
    """Instructions and first-level misses of a row; None where a kernel is unknown."""
    if any(o.kernel not in kernels for o in row.operators):
        return None
    works = [bare, *(work_of(o, kernels[o.kernel], (first_of(row.core),), 0) for o in row.operators)]
    return sum(sum(w.groups.values()) for w in works), sum(w.levels[0].lines for w in works)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def write(table: KernelTable, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(rounded(table.model_dump()), sort_keys=False, width=120, default_flow_style=None)
    path.write_text(f"# Written by benchmarks/kernels/fit.py.\n{text}")


def main() -> None:
    for format_name in (a for a in sys.argv[1:] if a != "-v"):
        rows = rows_of(format_name)
        for core in sorted({r.core for r in rows}):
            own = [r for r in rows if r.core == core]
            kernels, bare = fit_table(own), bare_call(own)
            errors: dict[str, list[float]] = {}
            for r in own:
                found = predicted(r, kernels, bare)
                if found and r.operators and not r.case.startswith("chain"):
                    error = found[0] / sum(r.work.groups.values()) - 1
                    errors.setdefault(max(r.operators, key=lambda o: o.macs).kernel, []).append(error)
                    if "-v" in sys.argv and abs(error) > 0.15:
                        note(f"  {core} {r.case} {r.scheme}: {error:+.0%}")
            for name, found_errors in sorted(errors.items()):
                sizes = sorted(map(abs, found_errors))
                note(f"{format_name} {core} {name}: {len(sizes)} calls, median {statistics.median(sizes):.1%}, worst "
                     f"{sizes[-1]:.1%}")
            every = sorted(abs(math.log1p(e)) for each in errors.values() for e in each)
            spread = every[int(0.9 * len(every))]
            write(KernelTable(runtime=RUNTIMES[format_name], core=core, kernels=kernels, spread=spread, provenance={
                "spread": "artifacts of one operator",
                "counts": f"{len(own)} artifacts of one operator under the emulated device (benchmarks/kernels/"
                          f"counts.py, benchmarks/data/kernels/{format_name}.csv)",
                "fit": "benchmarks/kernels/fit.py",
                "call": f"beside its operators, {sum(bare.groups.values()):.0f} instructions, which are not in them"}),
                TABLES / format_name / f"{core}.yaml")


if __name__ == "__main__":
    main()
