"""``edgekit export``: one recipe, one workload, verified artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from edgekit.cli.output import emit_json, stderr, stdout
from edgekit.errors import UsageError


def _targets(devices: Sequence[str], out: Path) -> list[tuple[str | None, Path]]:
    """Device and output of each export. Every name is checked here, before the first export publishes anything.

    Several devices get a folder each; the stage cache makes all but the first quick.
    """
    if len(devices) < 2:
        return [(next(iter(devices), None), out)]
    from edgekit.devices.catalogue import get_device
    ids = [get_device(device).id for device in devices]
    twice = next((id_ for id_ in ids if ids.count(id_) > 1), None)
    if twice:
        raise UsageError("usage", f"the device '{twice}' is given twice", next="give each device once")
    return [(device, out / id_) for device, id_ in zip(devices, ids, strict=True)]


@click.command(help="Export WORKLOAD by a recipe to verified artifacts.")
@click.argument("workload")
@click.option("--recipe", "-r", required=True, help="A recipe's file, or a name from `edgekit recipes list`.")
@click.option("--device", "-d", "devices", multiple=True,
              help="Device id or profile's file, in place of the recipe's. Repeated, each goes to OUT/ID.")
@click.option("--format", "-f", "formats", multiple=True, help="Format, in place of the recipe's; repeat for several.")
@click.option("--weights", type=click.Path(path_type=Path), help="State dict to load: .safetensors, or .pth weights.")
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("dist"), show_default=True,
              help="Output folder; replaced in one step if it is edgekit's, else refused.")
@click.option("--jobs", "-j", type=click.IntRange(1, 16), default=2, show_default=True,
              help="Formats that are converted side by side.")
@click.option("--memory-limit-mb", type=click.IntRange(min=256), help="Limit for each converter's process.")
@click.option("--time-limit", type=click.IntRange(min=1), default=1800, show_default=True,
              help="Seconds for each converter's process.")
@click.option("--dry-run", is_flag=True, help="Print the resolved plan and touch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
def export(workload: str, recipe: str, devices: tuple[str, ...], formats: tuple[str, ...], weights: Path | None,
           out: Path, jobs: int, memory_limit_mb: int | None, time_limit: int, dry_run: bool, as_json: bool) -> int:
    from edgekit import api
    targets = _targets(devices, out)
    # Made for an export too: a mistake that shows with the last device must not come after the first one's output.
    plans = [api.plan(workload, recipe, device=d, formats=formats, weights=weights, out=o) for d, o in targets]
    if dry_run:
        if as_json:
            emit_json("plan", 1, {"plans": plans})
        else:
            from edgekit.report.plan import print_plan
            for plan in plans:
                print_plan(plan, stdout())
        return 0
    reports = [api.export(
        workload, recipe, device=d, formats=formats, weights=weights, out=o, jobs=jobs,
        memory_limit_bytes=memory_limit_mb * 10**6 if memory_limit_mb else None, time_limit_seconds=time_limit,
        progress="none" if as_json else "terminal", own_terminal=True) for d, o in targets]
    if as_json:
        documents = [r.model_dump(mode="json", by_alias=True) for r in reports]
        emit_json(*(("export-report", 1, documents[0]) if len(documents) == 1 else
                    ("export-reports", 1, {"reports": documents})))
    else:
        from edgekit.report.terminal import print_report
        for report, (_, folder) in zip(reports, targets, strict=True):
            print_report(report, stderr())
            stderr().print(f"artifacts, golden vectors, report.html and log.txt: {folder}", style="dim", markup=False)
    return max(report.exit_status for report in reports)
