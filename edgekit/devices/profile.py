"""The schema of a device profile. Every figure names its source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from edgekit.devices.core import figures_have_sources

__all__ = ["Cluster", "Device", "Processor"]

DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Text = Annotated[str, StringConstraints(min_length=1)]
ProcessorName = Literal["cpu", "gpu", "npu"]

# What a profile claims, and so must say where it has it from.
_FIGURES = ("soc", "clusters", "caches", "ram_mb", "app_budget_mb", "os")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cluster(_Part):
    """Cores of one kind that share a clock."""

    core: DeviceId = Field(description="microarchitecture: cortex-a76")
    count: int = Field(ge=1, le=64, description="cores in the cluster")
    max_ghz: float = Field(gt=0, le=10, description="highest clock, GHz")
    l2_kb: int = Field(ge=1, le=65536, description="second-level cache that a core has or shares, KiB")


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
    ram_mb: int = Field(ge=16, description="memory of the device, MiB")
    app_budget_mb: int = Field(ge=1, description="memory that one app may plan with, MiB")
    os: Text = Field(description="operating system it is sold or commonly run with")
    processors: dict[ProcessorName, Processor] = Field(min_length=1, description="processors that can run a model")
    sources: dict[Text, Text] = Field(description=f"where each figure is from: {', '.join(_FIGURES)}")

    @field_validator("app_budget_mb")
    @classmethod
    def _fits_the_ram(cls, budget: int, info: ValidationInfo) -> int:
        if budget > info.data.get("ram_mb", budget):
            raise ValueError(f"is more than ram_mb, {info.data['ram_mb']}")
        return budget

    @field_validator("sources")
    @classmethod
    def _every_figure_has_one(cls, sources: dict[str, str]) -> dict[str, str]:
        return figures_have_sources(_FIGURES, sources)

    @property
    def cores(self) -> int:
        """CPU cores of all clusters."""
        return sum(c.count for c in self.clusters)
