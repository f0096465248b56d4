"""``edgekit inspect``: what a runtime really executes for an artifact."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit_json, stdout


@click.command(help="Show an artifact's operators, sizes and what is not delegated.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the graph as one JSON document.")
def inspect(artifact: Path, as_json: bool) -> int:
    from edgekit import api
    graph = api.inspect(artifact)
    if as_json:
        emit_json("graph", 1, graph.model_dump(mode="json"))
    else:
        from edgekit.report.graph import print_graph
        print_graph(graph, artifact, stdout())
    return 0
