"""Opening a ``.pte``: its program, and the XNNPACK graphs inside its delegate blobs."""

from __future__ import annotations

import importlib.resources
import json
import re
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import UsageError
from edgekit.formats.executorch.description import METHOD, Description, parse

__all__ = ["PteContents", "open_pte"]

_XNNPACK = "XnnpackBackend"
_NUMBER_INF = re.compile(r":\s*(-?)inf\b")


@dataclass(frozen=True)
class PteContents:
    """The deserialised program, its ``forward`` plan, XNNPACK graphs by delegate index, and edgekit's description."""

    program: Any
    plan: Any
    delegates: dict[int, dict[str, Any]]
    description: Description | None


def open_pte(path: Path) -> PteContents:
    """Reads a ``.pte``. Raises UsageError where there is none, and where it cannot be read."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    if not path.is_file():
        raise UsageError("artifact-missing", f"there is no file {path}", where=str(path), next="name a .pte file")
    try:
        program = deserialize_pte_binary(path.read_bytes()).program
        plan = next(p for p in program.execution_plan if p.name == "forward")
        delegates = {i: _xnnpack_graph(program.backend_delegate_data[d.processed.index].data)
                     for i, d in enumerate(plan.delegates) if d.id == _XNNPACK}
    except StopIteration:
        raise _malformed(path, "it has no method `forward`") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError, OSError, OverflowError,
            _struct_error(), subprocess.CalledProcessError) as error:
        raise _malformed(path, f"{type(error).__name__}: {error}") from error
    return PteContents(program, plan, delegates, _description(program))


def _struct_error() -> type[Exception]:
    import struct

    return struct.error


def _malformed(path: Path, cause: str) -> UsageError:
    return UsageError("artifact-damaged", f"{path.name} is no readable ExecuTorch program", where=str(path),
                      cause=cause[:300], next="check that the file is whole and made for this ExecuTorch version")


def _description(program: Any) -> Description | None:
    for plan in program.execution_plan:
        if plan.name == METHOD and plan.outputs:
            return parse(getattr(plan.values[plan.outputs[0]].val, "string_val", None))
    return None


def _xnnpack_graph(blob: bytes) -> dict[str, Any]:
    """The flatbuffer of a delegate blob as the JSON of XNNPACK's own schema (``serialization/schema.fbs``)."""
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader

    blob = bytes(blob)
    header = XNNHeader.from_bytes(blob[:XNNHeader.EXPECTED_LENGTH])
    start = header.flatbuffer_offset
    schema = importlib.resources.files("executorch.backends.xnnpack.serialization").joinpath("schema.fbs").read_bytes()
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        files = Path(folder)
        (files / "schema.fbs").write_bytes(schema)
        (files / "graph.bin").write_bytes(blob[start:start + header.flatbuffer_size])
        subprocess.run([_flatc(), "--json", "--defaults-json", "--strict-json", "--raw-binary", "-o", folder,
                        str(files / "schema.fbs"), "--", str(files / "graph.bin")], check=True, capture_output=True)
        text = (files / "graph.json").read_text(encoding="utf-8")
    return json.loads(_NUMBER_INF.sub(r": \1Infinity", text))


def _flatc() -> str:
    """The flatbuffer compiler that ExecuTorch ships and itself uses."""
    shipped = importlib.resources.files("executorch.data.bin").joinpath("flatc")
    if isinstance(shipped, Path) and shipped.is_file():
        if not shipped.stat().st_mode & stat.S_IXUSR:
            shipped.chmod(shipped.stat().st_mode | stat.S_IXUSR)
        return str(shipped)
    return shutil.which("flatc") or "flatc"
