"""The schema of a core: what an emulated device needs to know of a microarchitecture. Every figure names its source."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

__all__ = ["Core", "figures_have_sources"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Text = Annotated[str, StringConstraints(min_length=1)]
_FIGURES = ("part", "features", "l1d", "l2")


def figures_have_sources(figures: tuple[str, ...], sources: dict[str, str]) -> dict[str, str]:
    """``sources`` as it is; raises ValueError where a figure has none or a source belongs to no figure."""
    wrong = [*(f"no source for '{f}'" for f in figures if f not in sources),
             *(f"'{s}' is no figure of the profile" for s in sources if s not in figures)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return sources


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstLevel(_Part):
    """The data cache of one core."""

    kb: int = Field(ge=1, le=1024, description="KiB")
    ways: int = Field(ge=1, le=64)


class SecondLevel(_Part):
    """The second level; its size is the chip maker's choice and stands in the device's clusters."""

    ways: int = Field(ge=1, le=64)
    shared_by: Literal["core", "complex", "cluster"] = Field(description="who shares one: a core, a pair, or all")


class Core(_Part):
    """A microarchitecture, as far as the kernels that a runtime chooses and the caches' misses depend on it."""

    id: Name = Field(description="its file's name, without the ending: cortex-a76")
    name: Text = Field(description="as the designer calls it")
    implementer: int = Field(ge=0, le=0xFF, description="MIDR_EL1.Implementer")
    part: int = Field(ge=0, le=0xFFF, description="MIDR_EL1.PartNum: what runtimes choose their kernels by")
    emulator: Literal["cortex-a35", "cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "max"] = (
        Field(description="CPU model of qemu-aarch64 whose instructions it has; of 'max' without SVE and SME"))
    features: tuple[Name, ...] = Field(min_length=1, description="as Linux prints them in /proc/cpuinfo")
    l1d: FirstLevel
    l2: SecondLevel
    sources: dict[Text, Text] = Field(description=f"where each figure is from: {', '.join(_FIGURES)}")

    @field_validator("sources")
    @classmethod
    def _every_figure_has_one(cls, sources: dict[str, str]) -> dict[str, str]:
        return figures_have_sources(_FIGURES, sources)
