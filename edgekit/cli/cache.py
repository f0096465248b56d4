"""``edgekit cache``: what earlier runs kept, what it costs, and why a stage ran again."""

from __future__ import annotations

import re
import time
from typing import Any

import click

from edgekit.cli.numbers import finite
from edgekit.cli.output import emit_json, json_option, print_table, stderr

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", text.strip().lower())
    if not match:
        raise click.BadParameter(f"'{text}' is no size: write 500MB or 2GB", param_hint="--max-size")
    return int(float(match[1]) * _UNITS[match[2]])


@click.group(help="Look into and prune what earlier runs kept (EDGEKIT_CACHE names the folder).")
def cache() -> None:
    pass


@cache.command(help="List cached results, the last used first.")
@json_option
def ls(as_json: bool) -> None:
    from edgekit.pipeline.cache import StageCache
    with StageCache() as stages:
        entries, root = stages.entries(), stages.root
    total = sum(e.bytes for e in entries)
    if as_json:
        emit_json("cache", 1, {"folder": str(root), "bytes": total, "entries": [_entry(e) for e in entries]})
        return
    now = time.time()
    if entries:
        print_table(("entry", "stage", "MB", "made in s", "last used"), [
            (e.digest[:12], e.stage, f"{e.bytes / 1e6:.1f}", f"{e.seconds:.1f}",
             f"{(now - e.last_used) / 3600:.1f} h ago") for e in entries])
    stderr().print(f"{len(entries)} entries, {total / 1e6:.1f} MB in {root}", markup=False)


@cache.command(help="Remove cached results: the unused ones first; without an option, all that no run uses.")
@click.option("--max-size", type=_bytes, metavar="SIZE", help="Keep at most this much, for example 2GB.")
@click.option("--older-than-days", type=click.FloatRange(min=0), callback=finite,
              help="Remove what was not used for so long.")
@json_option
def prune(max_size: int | None, older_than_days: float | None, as_json: bool) -> None:
    from edgekit.pipeline.cache import StageCache
    with StageCache() as stages:
        removed = stages.prune(max_size, older_than_days)
    freed = sum(e.bytes for e in removed)
    if as_json:
        emit_json("cache-prune", 1, {"bytes": freed, "removed": [_entry(e) for e in removed]})
    else:
        click.echo(f"removed {len(removed)} entries, {freed / 1e6:.1f} MB")


@cache.command(help="Say why STAGE (a stage's name or an entry) was made anew: what differs from the nearest entry.")
@click.argument("stage")
@json_option
def why(stage: str, as_json: bool) -> None:
    from edgekit.pipeline.cache import StageCache
    with StageCache() as stages:
        found = stages.why(stage)
    if as_json:
        other, differences = found or (None, [])
        emit_json("cache-why", 1, {"stage": stage, "nearest": _entry(other) if other else None,
                                   "differences": [vars(d) for d in differences]})
    elif found is None:
        click.echo(f"{stage}: the cache holds no other result of this stage to compare with")
    else:
        click.echo(f"nearest earlier result: {found[0].stage} {found[0].digest[:12]}")
        print_table(("part", "before", "now"), [(d.part, str(d.before), str(d.now)) for d in found[1]])


def _entry(entry: Any) -> dict[str, Any]:
    return {"digest": entry.digest, "stage": entry.stage, "bytes": entry.bytes, "seconds": entry.seconds,
            "created": entry.created, "last_used": entry.last_used}
