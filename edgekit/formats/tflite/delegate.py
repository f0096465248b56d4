"""Which operators XNNPACK runs: read from the runtime's own graph after it has handed work to the delegate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.formats.tflite.flatbuffer import FileGraph
from edgekit.formats.tflite.runtime import interpreter

__all__ = ["delegated_ops"]


def delegated_ops(path: Path, graph: FileGraph) -> set[int] | None:
    """Indices of the operators that XNNPACK took; None where this LiteRT does not tell.

    The runtime appends one DELEGATE node a partition, with the tensors that cross its border. All that is computed
    between them, found by walking back from its results to its inputs, is the partition.
    """
    loaded = interpreter(path)
    if not hasattr(loaded, "_get_ops_details"):  # LiteRT's own debugging call; it has no public name for it
        return None
    nodes: list[dict[str, Any]] = loaded._get_ops_details()
    taken: set[int] = set()
    for node in nodes[len(graph.ops):]:
        if node["op_name"] != "DELEGATE":
            continue
        border, open_tensors = {int(t) for t in node["inputs"]}, [int(t) for t in node["outputs"]]
        while open_tensors:
            tensor = open_tensors.pop()
            maker = graph.makers.get(tensor)
            if tensor in border or maker is None or maker.index in taken:
                continue
            taken.add(maker.index)
            open_tensors += [t for t in maker.inputs if t >= 0]
    return taken
