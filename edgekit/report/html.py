"""The export report as one HTML file: no network, no scripts, light and dark, readable on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from edgekit.report import facts, prediction
from edgekit.report.bars import bars
from edgekit.report.facts import Status
from edgekit.types.report import ArtifactReport, ExportReport

__all__ = ["render"]

_CLASSES = {True: "good", False: "bad", None: "open"}


Row = Sequence[str | Status]


def render(report: ExportReport) -> str:
    """The whole page. Every text that comes from outside is escaped."""
    style = (files("edgekit.report") / "report.css").read_text(encoding="utf-8")
    title = f"{report.workload.get('name', 'model')} by {report.recipe.get('name', 'recipe')}"
    sections = [_head(report, title), _artifacts(report), _pictures(report), _budget(report), _failures(report),
                *(_details(one) for one in report.artifacts), _passes(report), _provenance(report), _stages(report)]
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
            + "\n".join(filter(None, sections)) + "\n</main>\n</body>\n</html>\n")


def _head(report: ExportReport, title: str) -> str:
    end, device = facts.outcome(report), report.device or {}
    lines = [f"<p>Device {escape(str(device.get('name') or device.get('id')))}</p>"] if device else []
    lines += [f'<p class="warning">{escape(w)}</p>' for w in report.warnings]
    return f"<h1>{escape(title)}</h1>\n<p>{_mark(end)} (exit status {report.exit_status})</p>\n" + "\n".join(lines)


def _artifacts(report: ExportReport) -> str:
    if not report.artifacts:
        return ""
    return _section("Artifacts", _table(facts.COLUMNS, (facts.artifact_row(report, one) for one in report.artifacts)))


def _pictures(report: ExportReport) -> str:
    if not report.artifacts:
        return ""
    sizes = [(one.artifact.format, one.artifact.bytes / 1e6, facts.megabytes(one.artifact.bytes))
             for one in report.artifacts]
    sqnrs = [(one.artifact.format, one.fidelity.sqnr_db, facts.sqnr(one.fidelity)) for one in report.artifacts]
    floor = next((line.limit for line in report.budget if line.name == "min_sqnr_db"), None)
    limit = next((line.limit for line in report.budget if line.name == "size_mb"), None)
    return ('<div class="pictures">' + bars("File size, MB (10^6 bytes)", sizes, limit=limit)
            + bars("SQNR against the float model, dB", sqnrs, limit=floor) + "</div>")


def _budget(report: ExportReport) -> str:
    rows = [facts.budget_row(line) for line in report.budget]
    return _section("Budget", _table(facts.BUDGET_COLUMNS, rows)) if rows else ""


def _failures(report: ExportReport) -> str:
    blocks = []
    for failure in report.failures:
        error = failure.error
        rows = [[key, str(error[key])] for key in ("where", "cause", "next") if error.get(key)]
        blocks.append(f"<h3>{escape(failure.format)}: {escape(str(error.get('message')))} "
                      f"<code>{escape(str(error.get('code')))}</code></h3>" + _table((), rows))
    return _section("Failed", "\n".join(blocks)) if blocks else ""


def _details(one: ArtifactReport) -> str:
    a, f = one.artifact, one.fidelity
    rows = [("file", f"{a.path}, {facts.size(a)}"), ("sha256", a.sha256), ("runtime", a.runtime),
            ("fidelity", f"SQNR {facts.sqnr(f)}, cosine {f.cosine:.6f}, max abs {f.max_abs:.4g}"
                         f"{'' if f.top1_agreement is None else f', top-1 agreement {100 * f.top1_agreement:.1f} %'}"
                         f" (measured, {f.inputs} inputs: {f.input_source})"),
            ("inputs", "\n".join(map(facts.tensor, a.inputs))), ("outputs", "\n".join(map(facts.tensor, a.outputs))),
            ("latency", "\n".join(map(facts.latency, one.latencies))),
            ("time is", prediction.parts(one.estimate) if one.estimate else ""),
            ("guessed", "\n".join(prediction.guessed(one.estimate)) if one.estimate else ""),
            ("no latency", one.no_estimate or ""), ("memory", "\n".join(map(facts.memory, one.memory))),
            ("constants", f"{prediction.dtypes(one.size.by_dtype)} bytes" if one.size else ""),
            ("kept float", "\n".join(facts.kept_float(a))), ("not delegated", "\n".join(facts.not_delegated(a))),
            ("notes", "\n".join(a.notes))]
    tables = _table((), [[name, text] for name, text in rows if text])
    if one.estimate:
        operators = prediction.operator_rows(one.estimate)
        tables += _fold("Operators by time", _table(prediction.OPERATOR_COLUMNS, operators))
    if one.size:
        layers = [[f"{n:,}", layer] for layer, n in one.size.by_layer.items()]
        tables += _fold("Size by layer", _table(("bytes of constants", "layer"), layers))
    return _section(a.format, tables)


def _passes(report: ExportReport) -> str:
    rows = [[p.name, facts.settings(p.settings), "\n".join(facts.change(p.changed))] for p in report.passes]
    return _section("Compression", _table(("pass", "settings", "changed"), rows)) if rows else ""


def _provenance(report: ExportReport) -> str:
    rows = [[key, _plain(value)] for key, value in report.workload.items() if value is not None]
    return (_fold("Workload", _table((), rows))
            + _fold("Recipe", _table((), [[k, _plain(v)] for k, v in report.recipe.items() if v is not None]))
            + _fold("Tools", _table((), [[name, version] for name, version in sorted(report.tools.items())])))


def _stages(report: ExportReport) -> str:
    rows = [[s.name, f"{s.seconds:.2f} s", "cached" if s.cached else "", facts.megabytes(s.peak_rss_bytes)]
            for s in report.stages]
    return _fold("Stages", _table(("stage", "wall time, measured", "", "peak memory of its process"), rows))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return facts.settings(value)
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_plain, value))
    return str(value)


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _fold(title: str, body: str) -> str:
    return f"<details>\n<summary>{escape(title)}</summary>\n{body}\n</details>\n"


def _table(head: Sequence[str], rows: Iterable[Row]) -> str:
    """A table that scrolls sideways by itself on a narrow screen; without ``head`` its first column names the rows."""
    top = f"<thead><tr>{''.join(f'<th scope=col>{escape(h)}</th>' for h in head)}</tr></thead>" if head else ""
    body = "\n".join(f"<tr><th scope=row>{_cell(first)}</th>{''.join(f'<td>{_cell(c)}</td>' for c in rest)}</tr>"
                     for first, *rest in rows)
    return f'<div class="scroll"><table>{top}<tbody>\n{body}\n</tbody></table></div>'


def _cell(value: str | Status) -> str:
    if isinstance(value, Status):
        return _mark(value)
    return escape(value).replace("\n", "<br>")


def _mark(value: Status) -> str:
    return f'<span class="{_CLASSES[value.good]}">{escape(value.text)}</span>'
