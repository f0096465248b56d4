"""Quantisation schemes: what each name means, as data."""

from __future__ import annotations

from typing import Literal

from edgekit.types.base import Data

__all__ = ["SCHEMES", "Scheme", "SchemeSupport"]


class Scheme(Data):
    """What a scheme asks of weights and activations.

    ``ranges`` says where activation scales come from: ``none`` (activations stay float), ``static`` (calibration
    data, fixed in the artifact) or ``dynamic`` (taken from each input at run time).
    """

    name: str
    weights: Literal["float32", "float16", "int8", "int4"]
    activations: Literal["float32", "float16", "int8", "int16"]
    ranges: Literal["none", "static", "dynamic"]
    summary: str

    @property
    def needs_calibration(self) -> bool:
        return self.ranges == "static"

    @property
    def quantized(self) -> bool:
        return self.weights in ("int8", "int4")

    @property
    def corrects_biases(self) -> bool:
        """Whether shifts go into biases: all formats round weights to int8 alike, but to int4 each in its own way."""
        return self.weights == "int8"


class SchemeSupport(Data):
    """One cell of the table formats x schemes: supported or not, how, and which operators' weights it covers.

    ``covers`` names the operator kinds (see ``edgekit.types.kinds``) whose weights end in the scheme's weight dtype.
    A ``no`` has a ``reason``; a ``yes`` may have a ``note`` that users should know.
    """

    format: str
    scheme: str
    supported: bool
    backend: str | None = None
    covers: tuple[str, ...] = ()
    reason: str | None = None
    note: str | None = None


_ALL = [
    Scheme(name="fp32", weights="float32", activations="float32", ranges="none", summary="float32 throughout"),
    Scheme(name="fp16", weights="float16", activations="float16", ranges="none",
           summary="float16 weights; float16 compute where the runtime and core have it"),
    Scheme(name="w8a8-static", weights="int8", activations="int8", ranges="static",
           summary="int8 weights (per channel) and activations, scales from calibration data"),
    Scheme(name="w8a8-dynamic", weights="int8", activations="int8", ranges="dynamic",
           summary="int8 weights, activations quantised as they come"),
    Scheme(name="w8-weight-only", weights="int8", activations="float32", ranges="none",
           summary="int8 weights, float compute: size only"),
    Scheme(name="w4-weight-only", weights="int4", activations="float32", ranges="none",
           summary="int4 weights in blocks, float compute: size only"),
    Scheme(name="w8a16-static", weights="int8", activations="int16", ranges="static",
           summary="int8 weights, int16 activations, scales from calibration data"),
]

SCHEMES: dict[str, Scheme] = {s.name: s for s in _ALL}
