"""What every format does at the end of an export: describe the file. And what it says when its packages are missing
or fail."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import ConversionError, EnvironmentProblem
from edgekit.types.artifact import Artifact, KeptFloat, NotDelegated
from edgekit.types.graph import OpGraph
from edgekit.types.scheme import SchemeSupport
from edgekit.types.tensor import TensorSpec

__all__ = ["describe", "missing_extra", "needs_extra", "refuse_unsupported", "root_cause"]

_CHUNK = 1 << 20


def describe(format: str, path: Path, plan_scheme: str, backend: str, graph: OpGraph,  # noqa: A002 - the field's name
             inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], runtime: str,
             kept_float: Sequence[KeptFloat] = (), notes: Sequence[str] = ()) -> Artifact:
    """The Artifact for the finished file ``path``: identity and sizes from its bytes, the rest from ``graph``.

    ``plan_scheme`` is the scheme's name; ``inputs`` and ``outputs`` are in the program's order.
    """
    digest, packer, size, packed = hashlib.sha256(), zlib.compressobj(9), 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            packed += len(packer.compress(chunk))
    packed += len(packer.flush())
    left_behind = tuple(NotDelegated(op=op.name, where=str(op.source or next(iter(op.outputs), op.name)),
                                     reason=op.reason or "unknown") for op in graph.ops if not op.delegated)
    return Artifact(
        format=format, path=str(path), sha256=digest.hexdigest(), bytes=size, compressed_bytes=packed,
        scheme=plan_scheme, backend=backend, runtime=runtime, inputs=tuple(inputs), outputs=tuple(outputs),
        macs=graph.macs, weight_bytes_by_dtype=graph.weight_bytes_by_dtype(),
        macs_delegated_share=graph.macs_delegated_share, not_delegated=left_behind, kept_float=tuple(kept_float),
        notes=tuple(notes))


def root_cause(error: BaseException) -> BaseException:
    """What failed first: converters wrap it, once a layer or a pass, in errors that say only what was going on."""
    seen = {error}
    while error.__cause__ is not None and error.__cause__ not in seen:
        error = error.__cause__
        seen.add(error)
    return error


def missing_extra(format: str, package: str | None = None) -> EnvironmentProblem:  # noqa: A002 - the field's name
    """The error for a format whose packages are not installed; ``package`` is the one that was looked for."""
    return EnvironmentProblem(
        "format-not-installed", f"the format {format!r} needs packages that are not installed",
        cause=f"no package {package!r}" if package else None, next=f'pip install "edgekit[{format}]"')


@contextmanager
def needs_extra(format: str) -> Iterator[None]:  # noqa: A002 - the field's name
    """Around the late imports of a format's packages: a missing one becomes :func:`missing_extra`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("edgekit"):
            raise
        raise missing_extra(format, error.name) from error


def refuse_unsupported(cell: SchemeSupport | None, format: str, scheme: str) -> None:  # noqa: A002
    """Raises ConversionError where the table says that ``format`` cannot do ``scheme``."""
    if cell is None or not cell.supported:
        raise ConversionError(
            "scheme-unsupported", f"{format} cannot do {scheme}", cause=cell.reason if cell else "not in its table",
            next="run `edgekit recipes schemes` for what each format can do")
