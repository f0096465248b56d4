"""``preprocess()``: how an image becomes the model's input, as plain data that apps and calibration share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgekit.errors import WorkloadError

__all__ = ["Preprocess", "check_preprocess"]


class Preprocess(BaseModel):
    """``value = (pixel * scale - mean) / std`` a channel, pixels 0 to 255, after resizing to ``resize``.

    Attributes:
        layout: axis order of the model's own input.
        color: order of the channels; ``gray`` has one.
        resize: (height, width) in pixels; None takes the model's input size.
        interpolation: how to resize.
        scale: factor on pixels before ``mean`` and ``std`` apply.
        mean, std: one a channel, or one for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["nchw", "nhwc"] = "nchw"
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    resize: tuple[int, int] | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    scale: float = Field(default=1 / 255, gt=0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def channels(self) -> int:
        return 1 if self.color == "gray" else 3

    @model_validator(mode="after")
    def _lengths(self) -> Preprocess:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if any(s <= 0 for s in self.std):
            raise ValueError("std has a value that is not above 0")
        if self.resize is not None and min(self.resize) < 1:
            raise ValueError("resize needs (height, width) above 0")
        return self


def check_preprocess(value: Any, where: str | None) -> dict[str, Any]:
    """Validated ``preprocess()`` as plain data. Raises WorkloadError (``workload-bad-preprocess``)."""
    if not isinstance(value, dict):
        raise WorkloadError("workload-bad-preprocess", f"preprocess() returned a {type(value).__name__}", where=where,
                            cause="it is data, not code: the same description goes into the bundle and the app",
                            next='return a dict such as {"layout": "nchw", "resize": (224, 224), "mean": (0.5,)}')
    try:
        return Preprocess.model_validate(value).model_dump(mode="json")
    except ValidationError as error:
        cause = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'preprocess'}: {e['msg'].removeprefix('Value error, ')}"
                          for e in error.errors())
        raise WorkloadError("workload-bad-preprocess", "preprocess() does not describe an image input", where=where,
                            cause=cause, next=f"use the keys {', '.join(Preprocess.model_fields)}") from error
