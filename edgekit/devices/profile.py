"""The schema of a device profile. Every figure names its source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from edgekit.devices.core import figures_have_sources

__all__ = ["Accelerator", "Cluster", "Device", "Memory", "Processor"]

DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Text = Annotated[str, StringConstraints(min_length=1)]
ProcessorName = Literal["cpu", "gpu", "npu"]
Dtype = Literal["float32", "float16", "bfloat16", "int16", "int8", "uint8", "int4"]

# What a profile claims, and so must say where it has it from; those of _WHERE_GIVEN where it claims them.
_FIGURES = ("soc", "clusters", "caches", "memory", "ram_mb", "app_budget_mb", "os")
_WHERE_GIVEN = ("api_level", "accelerators")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cluster(_Part):
    """Cores of one kind that share a clock."""

    core: DeviceId = Field(description="microarchitecture, one of device_profiles/cores: cortex-a76")
    count: int = Field(ge=1, le=64, description="cores in the cluster")
    max_ghz: float = Field(ge=0.1, le=6, description="highest clock, GHz")
    l2_kb: int = Field(ge=1, le=65536, description="second-level cache that a core has or shares, KiB")


class Memory(_Part):
    """Main memory, which all processors share."""

    kind: Text = Field(description="standard: LPDDR4X")
    gb_s: float = Field(ge=0.5, le=500, description="peak bandwidth, 10^9 bytes a second")


class Accelerator(_Part):
    """What else can compute: what it takes, whether or not a format of edgekit's reaches it."""

    name: Text = Field(description="as the maker calls it")
    kind: Literal["gpu", "npu", "dsp"]
    takes: tuple[Dtype, ...] = Field(min_length=1, description="dtypes of weights and activations that it computes in")
    per_channel_weights: bool | None = Field(
        default=None, description="whether weights with a scale for each channel stay on it; null: unknown, or floats")
    note: Text = Field(description="how it is reached, and what it leaves to others")


class Processor(_Part):
    """What can run a model on the device."""

    formats: tuple[Literal["tflite", "executorch", "onnx"], ...] = Field(
        min_length=1, description="formats whose runtime runs on it")


class Device(_Part):
    """A phone or board, as far as a model's size and speed depend on it."""

    id: DeviceId = Field(description="the profile's name: its file's, without the ending")
    name: Text = Field(description="as the maker calls it")
    soc: Text = Field(description="system on chip")
    clusters: tuple[Cluster, ...] = Field(min_length=1, description="CPU clusters, the fastest first")
    l3_kb: int | None = Field(default=None, ge=1, description="cache that all clusters share, KiB; none where left out")
    memory: Memory
    ram_mb: int = Field(ge=16, description="memory of the device, MiB")
    app_budget_mb: int = Field(ge=1, description="memory that one app may plan with, MiB")
    os: Text = Field(description="operating system it is sold or commonly run with")
    api_level: int | None = Field(default=None, ge=21, le=99, validate_default=True,
                                  description="Android's API level; for Android only")
    processors: dict[ProcessorName, Processor] = Field(min_length=1, description="processors that can run a model")
    accelerators: tuple[Accelerator, ...] = Field(default=(), description="what else it has that computes")
    sources: dict[Text, Text] = Field(description=f"where each figure is from: {', '.join(_FIGURES)}; "
                                                  f"{', '.join(_WHERE_GIVEN)} where given")

    @field_validator("app_budget_mb")
    @classmethod
    def _fits_the_ram(cls, budget: int, info: ValidationInfo) -> int:
        if budget > info.data.get("ram_mb", budget):
            raise ValueError(f"is more than ram_mb, {info.data['ram_mb']}")
        return budget

    @field_validator("api_level")
    @classmethod
    def _is_androids(cls, level: int | None, info: ValidationInfo) -> int | None:
        if "os" in info.data and ("android" in info.data["os"].casefold()) == (level is None):
            raise ValueError("is missing, Android has one" if level is None else "is Android's, "
                             f"os is '{info.data['os']}'")
        return level

    @field_validator("accelerators")
    @classmethod
    def _differ(cls, accelerators: tuple[Accelerator, ...]) -> tuple[Accelerator, ...]:
        names = [a.name for a in accelerators]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"more than one is called {', '.join(twice)}")
        return accelerators

    @field_validator("sources")
    @classmethod
    def _every_figure_has_one(cls, sources: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        # What is wrong itself is reported there, and has no say in which sources are missing.
        given = [f for f in _WHERE_GIVEN if info.data.get(f) or (f not in info.data and f in sources)]
        return figures_have_sources((*_FIGURES, *given), sources)

    @property
    def cores(self) -> int:
        """CPU cores of all clusters."""
        return sum(c.count for c in self.clusters)
