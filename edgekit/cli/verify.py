"""``edgekit verify``: an artifact against the float model it came from."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.numbers import finite
from edgekit.cli.output import emit_json, stdout


@click.command(help="Compare ARTIFACT with the float model of a workload.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--against", "workload", required=True, help="The workload that the artifact was exported from.")
@click.option("--weights", type=click.Path(path_type=Path), help="State dict to load into the workload's module.")
@click.option("--inputs", type=click.IntRange(min=1), default=16, show_default=True, help="Inputs to compare on.")
@click.option("--layers", is_flag=True, help="SQNR of every layer in order, and where the error starts.")
@click.option("--reference", type=click.Choice(["tensorflow"]), help="A second opinion on a .tflite.")
@click.option("--min-sqnr-db", type=float, callback=finite, help="Floor; exit status 1 below it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(artifact: Path, workload: str, weights: Path | None, inputs: int, layers: bool, reference: str | None,
           min_sqnr_db: float | None, as_json: bool) -> int:
    from edgekit import api
    result = api.verify(artifact, workload, weights=weights, inputs=inputs, layers=layers, reference=reference,
                        min_sqnr_db=min_sqnr_db)
    if as_json:
        emit_json("verification", 1, result.model_dump(mode="json"))
    else:
        from edgekit.report.verification import print_verification
        print_verification(result, stdout())
    return 1 if result.met is False else 0
