"""LiteRT itself: an interpreter over a file, as users get it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from edgekit.errors import ConversionError
from edgekit.formats.build import needs_extra

__all__ = ["interpreter"]


def interpreter(path: Path, *, threads: int = 1, keep_values: bool = False, delegate: bool = True,
                shapes: dict[int, tuple[int, ...]] | None = None) -> Any:
    """A LiteRT interpreter with its tensors allocated. Raises ConversionError where LiteRT refuses the file.

    Args:
        keep_values: intermediate values stay readable after a run (and each operator is delegated on its own).
        delegate: False leaves XNNPACK out.
        shapes: sizes of open inputs by tensor index. They are set before the first allocation, because LiteRT 2.3.0
            computes int8 rows beyond the first wrongly in a graph that is resized after it.
    """
    with needs_extra("tflite"):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    resolver = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "preserve_all_tensors": it is what was asked for
            loaded = Interpreter(model_path=str(path), num_threads=threads, experimental_op_resolver_type=resolver,
                                 experimental_preserve_all_tensors=keep_values)
        for index, shape in (shapes or {}).items():
            loaded.resize_tensor_input(index, shape)
        loaded.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ConversionError("artifact-does-not-load", f"LiteRT cannot load {path.name.removesuffix('.part')}",
                              cause=" ".join(str(error).split())[:300],
                              next="export again; if it stays, widen the operator that the cause names") from error
    return loaded
