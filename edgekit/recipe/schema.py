"""The recipe's schema. Unknown keys are mistakes; nothing is coerced (``"8"`` is no number)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from edgekit.plugins import FORMATS
from edgekit.recipe.defaults import FIDELITY_DEFAULTS
from edgekit.types.scheme import SCHEMES

__all__ = ["Budget", "Calibration", "Fidelity", "Io", "Overrides", "PassSpec", "Quantize", "Recipe"]

SchemeName = Literal["fp32", "fp16", "w8a8-static", "w8a8-dynamic", "w8-weight-only", "w4-weight-only", "w8a16-static"]
ObserverName = Literal["minmax", "percentile", "mse"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]


def _known_format(name: str) -> str:
    if name not in FORMATS.names():
        raise PydanticCustomError("name_unknown", "there is no '{name}'",
                                  {"name": name, "choices": list(FORMATS.names())})
    return name


FormatName = Annotated[str, AfterValidator(_known_format)]
Pattern = Annotated[str, StringConstraints(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _no_default(schema: dict[str, Any]) -> None:
    # The default depends on the scheme: an editor must not show the one that stands in the model.
    schema.pop("default", None)


def _format_choices(schema: dict[str, Any]) -> None:
    schema["items"]["enum"] = list(FORMATS.names())


class Calibration(_Part):
    """Where activation ranges come from; only for schemes with static ranges."""

    samples: int = Field(
        default=128, ge=1, le=100_000,
        description="how many calibration inputs to take, each of the example inputs' batch size")
    data: str | None = Field(
        default=None, min_length=1,
        description="an .npz or a folder of images, relative to the recipe; without it the workload's calibration() "
                    "is used")


class Quantize(_Part):
    """What to quantise, and how. ``edgekit recipes schemes`` prints what each format can do."""

    scheme: SchemeName = Field(description="; ".join(f"{s.name}: {s.summary}" for s in SCHEMES.values()))
    observer: ObserverName = Field(
        default="mse",
        description="how a static range is taken from calibration: minmax (the extremes), percentile (99.99 %) or "
                    "mse (least expected error)")
    calibration: Calibration = Field(
        default=Calibration(), description="calibration inputs, the same ones for every format")
    keep_float: tuple[Pattern, ...] = Field(
        default=(),
        description="module path patterns (features.0, *.attention) that stay float; one that matches nothing is an "
                    "error")

    @field_validator("calibration", "observer")
    @classmethod
    def _only_with_static_ranges(cls, value: Any, info: ValidationInfo) -> Any:
        scheme = SCHEMES.get(info.data.get("scheme", ""))
        if scheme is not None and not scheme.needs_calibration and value not in ("mse", Calibration()):
            biases = "; biases are corrected with the workload's calibration()" if scheme.quantized else ""
            raise ValueError(f"has no effect with scheme {scheme.name}, which takes no ranges{biases}; remove it")
        return value


class Io(_Part):
    """The artifact's own inputs and outputs."""

    dtype: Literal["float32", "int8", "uint8"] = Field(
        default="float32", description="int8 and uint8 need a scheme with static ranges")
    layout: Literal["nchw", "nhwc"] = Field(default="nchw", description="of 4-D inputs and outputs")


class Fidelity(_Part):
    """How near to the float model an artifact must be to leave."""

    min_sqnr_db: float = Field(
        default=15.0, ge=-20, le=200, json_schema_extra=_no_default,
        description="least signal to quantisation noise ratio over all outputs, dB; where left out, by scheme: "
                    + ", ".join(f"{name} {row.min_sqnr_db:g}" for name, row in FIDELITY_DEFAULTS.items()))
    min_inputs: int = Field(default=16, ge=1, le=10_000, description="compare on at least this many inputs")
    widen: Literal["auto", "off"] = Field(
        default="auto", json_schema_extra=_no_default,
        description="auto: under the floor, keep the fewest layers in a wider dtype that bring it back; where left "
                    "out, auto for integer schemes and off for float ones")
    max_widened_macs: float = Field(
        default=0.10, ge=0, le=1, description="largest share of multiply-accumulates that auto may widen, 0 to 1")


class Budget(_Part):
    """What the result must fit. A budget that nothing can evaluate is reported "not evaluated", never met."""

    metric_drop: float | None = Field(
        default=None, ge=0,
        description="most the workload's metric may worsen against the float model as it was loaded, before any "
                    "compression, in the metric's own unit")
    size_mb: float | None = Field(default=None, gt=0, description="the artifact's file, 10^6 bytes")
    latency_ms: float | None = Field(default=None, gt=0,
                                     description="one inference on the device, milliseconds, as predicted")
    peak_memory_mb: float | None = Field(default=None, gt=0,
                                         description="peak of one inference, 10^6 bytes, as predicted")


class ExecutorchOptions(_Part):
    backend: Literal["xnnpack", "portable"] = Field(default="xnnpack", description="kernels to lower to")


class Overrides(_Part):
    """Options of single formats."""

    executorch: ExecutorchOptions = Field(default=ExecutorchOptions(), description="ExecuTorch's own options")


class PassSpec(RootModel[dict[str, dict[str, Any] | None]]):
    """One compression pass with its settings, written ``- name: {setting: value}``.

    The settings' own schema belongs to the pass: see :func:`edgekit.recipe.load.validate_passes`.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"minProperties": 1, "maxProperties": 1})

    @model_validator(mode="after")
    def _one_pass(self) -> PassSpec:
        if len(self.root) != 1:
            raise ValueError(f"one pass an item, written '- name: {{setting: value}}'; here are {len(self.root)} keys")
        return self

    @classmethod
    def of(cls, name: str, settings: dict[str, Any]) -> PassSpec:
        return cls({name: settings})

    @property
    def name(self) -> str:
        return next(iter(self.root))

    @property
    def settings(self) -> dict[str, Any]:
        return self.root[self.name] or {}


class Recipe(_Part):
    """From a trained model to artifacts: what to make, how, and what it must meet."""

    name: Name = Field(description="what reports call the recipe; often its file's name without the ending")
    description: str = Field(default="", description="what it is for, one line")
    device: str | None = Field(default=None, description="a device profile's id: edgekit devices list")
    processor: Literal["cpu", "gpu", "npu"] = Field(
        default="cpu", description="one of the device's processors; gpu and npu need a device")
    threads: int = Field(default=1, ge=1, le=64,
                         description="threads of one inference, for latency estimates and measurements; the artifacts "
                                     "are the same for any number")
    formats: tuple[FormatName, ...] = Field(
        default=("tflite", "executorch", "onnx"), min_length=1, description="artifacts to make",
        json_schema_extra=_format_choices)
    compress: tuple[PassSpec, ...] = Field(
        default=(), description="compression passes in order, each written name: {setting: value}")
    quantize: Quantize = Field(description="scheme, observer, calibration, exceptions")
    io: Io = Field(default=Io(), description="the artifact's own inputs and outputs")
    fidelity: Fidelity = Field(
        default=Fidelity(), validate_default=True, json_schema_extra=_no_default,
        description="how near to the float model it must be")
    budget: Budget = Field(default=Budget(), description="limits; a missed one ends with exit status 1")
    overrides: Overrides = Field(default=Overrides(), description="options of single formats")

    @field_validator("fidelity", mode="before")
    @classmethod
    def _fidelity_by_scheme(cls, given: Any, info: ValidationInfo) -> Any:
        """What the recipe leaves out of ``fidelity`` comes from its scheme's row in FIDELITY_DEFAULTS."""
        if isinstance(given, Fidelity):
            given = given.model_dump(exclude_unset=True)
        quantize = info.data.get("quantize")
        if quantize is None or not isinstance(given, dict):
            return given
        return FIDELITY_DEFAULTS[quantize.scheme]._asdict() | given

    @field_validator("formats")
    @classmethod
    def _each_once(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(formats)) < len(formats):
            raise ValueError("names a format twice")
        return formats

    @field_validator("io")
    @classmethod
    def _integer_io_is_static(cls, io: Io, info: ValidationInfo) -> Io:
        quantize = info.data.get("quantize")
        if quantize is not None and io.dtype != "float32" and not SCHEMES[quantize.scheme].needs_calibration:
            raise ValueError(f"dtype {io.dtype} needs a scheme with static ranges (w8a8-static), not {quantize.scheme}")
        return io
