"""What the sample app writes of one benchmark: the document ``edgekit/app-result/1``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter, model_validator

from edgekit.types.base import Data

__all__ = ["APP_RESULT", "AppDevice", "AppFailure", "AppGolden", "AppInfo", "AppModel", "AppOutput", "AppSuccess"]

Schema = Literal["edgekit/app-result/1"]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AppModel(Data):
    """The model that ran, by its path among the app's assets."""

    file: str
    format: str
    sha256: str


class AppGolden(Data):
    """One golden vector, checked by the app: its largest error beside the tolerance of that output.

    ``max_abs`` is None where the difference is not finite, for JSON has neither infinity nor NaN: such a one fails.
    """

    max_abs: Distance | None
    tolerance: Distance
    passed: bool = Field(alias="pass")

    @model_validator(mode="after")
    def _passes_within_tolerance(self) -> AppGolden:
        if self.passed and (self.max_abs is None or self.max_abs > self.tolerance):
            raise ValueError(f"{self.max_abs} cannot pass a tolerance of {self.tolerance:g}")
        return self


class AppOutput(Data):
    """One output for the first golden vector, raw little-endian."""

    shape: tuple[NonNegativeInt, ...]
    dtype: Literal["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
                   "float32", "float64"]
    base64: str


class AppDevice(Data):
    """``soc`` is unknown to old systems, ``thermal_status`` (Android's number) to those before Android 10."""

    manufacturer: str
    model: str
    soc: str | None
    sdk: PositiveInt
    abis: tuple[str, ...]
    emulated: bool
    thermal_status: int | None


class AppInfo(Data):
    package: str
    version: str


class AppSuccess(Data):
    """Times are nanoseconds, one a run. ``peak_rss_bytes`` is of the whole process."""

    schema_: Schema = Field(alias="schema")
    id: str
    status: Literal["ok"]
    error: None
    model: AppModel
    runtime: str
    threads: PositiveInt
    warmup: NonNegativeInt
    runs: PositiveInt
    load_ns: NonNegativeInt
    times_ns: tuple[PositiveInt, ...]
    peak_rss_bytes: PositiveInt | None
    golden: Annotated[tuple[AppGolden, ...], Field(min_length=1)]
    outputs: Annotated[tuple[AppOutput, ...], Field(min_length=1)]
    device: AppDevice
    app: AppInfo

    @model_validator(mode="after")
    def _a_time_for_each_run(self) -> AppSuccess:
        if len(self.times_ns) != self.runs:
            raise ValueError(f"{len(self.times_ns)} times of {self.runs} runs")
        return self


class AppError(Data):
    code: Literal["request", "bundle", "model-changed", "load", "run"]
    message: str


class AppFailure(Data):
    """What the app found out before it failed is not read: no figure of a failed run counts."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_: Schema = Field(alias="schema")
    id: str
    status: Literal["error"]
    error: AppError


APP_RESULT: TypeAdapter[AppSuccess | AppFailure] = TypeAdapter(
    Annotated[AppSuccess | AppFailure, Field(discriminator="status")])
