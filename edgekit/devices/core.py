"""The schema of a core: what runtimes, the emulated device and estimates depend on. Every figure names its source."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

__all__ = ["Core", "Rates", "figures_have_sources"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Text = Annotated[str, StringConstraints(min_length=1)]
Macs = Annotated[float, Field(gt=0, le=1024)]
_FIGURES = ("part", "variant", "features", "issue_width", "out_of_order", "simd", "macs_per_cycle", "pipeline",
            "l1d", "l2", "latency")

# Which of the instructions that kernels are chosen by each CPU model of the emulator has (a64fx and max without SVE).
_EMULATED: dict[str, set[str]] = {
    "cortex-a35": set(), "cortex-a53": set(), "cortex-a57": set(), "cortex-a72": set(), "a64fx": {"asimdhp"},
    "cortex-a76": {"asimdhp", "asimddp"}, "neoverse-n1": {"asimdhp", "asimddp"}, "max": {"asimdhp", "asimddp", "i8mm"}}
_CHOSEN_BY = ("asimdhp", "asimddp", "i8mm")
# A rate: the feature that it needs (None: every core has it), and the bits of a pipe that one of it takes.
_RATES: dict[str, tuple[str | None, int]] = {
    "fp32": (None, 32), "fp16": ("asimdhp", 16), "int8": (None, 16), "dot": ("asimddp", 8), "i8mm": ("i8mm", 4)}


def figures_have_sources(figures: Collection[str], sources: dict[str, str]) -> dict[str, str]:
    """``sources`` as it is; raises ValueError where a figure has none or a source belongs to no figure."""
    wrong = [*(f"no source for '{f}'" for f in figures if f not in sources),
             *(f"'{s}' is no figure of the profile" for s in sources if s not in figures)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return sources


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FirstLevel(_Part):
    """The data cache of one core."""

    kb: int = Field(ge=1, le=1024, description="KiB")
    ways: int = Field(ge=1, le=64)
    latency: float = Field(ge=1, le=20, description="cycles from an address to the value, of an integer load that hits")

    @field_validator("ways")
    @classmethod
    def _whole_sets(cls, ways: int, info: ValidationInfo) -> int:
        kb = info.data.get("kb", ways)
        if kb * 16 % ways:
            raise ValueError(f"does not part {kb} KiB into whole sets of 64-byte lines")
        return ways


class SecondLevel(_Part):
    """The second level; its size is the chip maker's choice and stands in the device's clusters."""

    ways: int = Field(ge=1, le=64)
    shared_by: Literal["core", "complex", "cluster"] = Field(description="who shares one: a core, a pair, or all")
    latency: float = Field(ge=3, le=100, description="cycles of a load that hits here")


class Simd(_Part):
    """The datapath of vector instructions."""

    pipes: int = Field(ge=1, le=8, description="pipes that multiply and add")
    bits: Literal[64, 128, 256, 512] = Field(description="width of one pipe")


class Rates(_Part):
    """Multiply-accumulates a cycle, at most: pipes x lanes x instructions a cycle."""

    fp32: Macs = Field(description="fmla on float32")
    fp16: Macs | None = Field(description="fmla on float16; null without asimdhp")
    int8: Macs = Field(description="smlal: int8 products into int16 sums")
    dot: Macs | None = Field(description="sdot: int8 products into int32 sums; null without asimddp")
    i8mm: Macs | None = Field(description="smmla: int8 matrices into int32 sums; null without i8mm")


class Core(_Part):
    """A microarchitecture, as far as the kernels that a runtime chooses, their speed and cache misses depend on it."""

    id: Name = Field(description="its file's name, without the ending: cortex-a76")
    name: Text = Field(description="as the designer calls it")
    implementer: int = Field(ge=0, le=0xFF, description="MIDR_EL1.Implementer")
    part: int = Field(ge=0, le=0xFFF, description="MIDR_EL1.PartNum: what runtimes choose their kernels by")
    variant: int = Field(ge=0, le=0xF, description="MIDR_EL1.Variant, the n of revision rnpm: runtimes take a "
                                                   "Cortex-A55 r0 for one without dot products")
    features: tuple[Name, ...] = Field(min_length=1, description="as Linux prints them in /proc/cpuinfo")
    emulator: Literal["cortex-a35", "cortex-a53", "cortex-a57", "cortex-a72", "a64fx", "cortex-a76", "neoverse-n1",
                      "max"] = Field(description="CPU model of qemu-aarch64 whose instructions it has; of 'a64fx' and "
                                                 "'max' without SVE and SME")
    issue_width: int = Field(ge=1, le=16, description="instructions decoded a cycle")
    out_of_order: bool = Field(description="whether instructions pass others that wait")
    simd: Simd
    macs_per_cycle: Rates
    pipeline: Name = Field(description="how instructions pass through it, one of device_profiles/pipelines: cortex-a76")
    l1d: FirstLevel
    l2: SecondLevel
    sources: dict[Text, Text] = Field(description=f"where each figure is from: {', '.join(_FIGURES)}")

    @field_validator("emulator")
    @classmethod
    def _has_the_same_instructions(cls, emulator: str, info: ValidationInfo) -> str:
        own = {f for f in _CHOSEN_BY if f in info.data.get("features", ())}
        if "features" in info.data and own != _EMULATED[emulator]:
            raise ValueError(f"has {_listed(_EMULATED[emulator])}, features name {_listed(own)}")
        return emulator

    @field_validator("macs_per_cycle")
    @classmethod
    def _possible(cls, rates: Rates, info: ValidationInfo) -> Rates:
        simd, features = info.data.get("simd"), info.data.get("features")
        wrong = []
        for name, (feature, bits) in _RATES.items():
            rate = getattr(rates, name)
            if features is not None and feature and (rate is None) == (feature in features):
                wrong.append(f"{name}: features {'lack' if rate else 'name'} {feature}")
            if simd and rate and rate > (most := simd.pipes * simd.bits / bits):
                wrong.append(f"{name}: {rate:g} is more than {simd.pipes} pipes of {simd.bits} bits can do, {most:g}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return rates

    @field_validator("l2")
    @classmethod
    def _slower_than_the_first(cls, l2: SecondLevel, info: ValidationInfo) -> SecondLevel:
        first = info.data.get("l1d")
        if first and l2.latency <= first.latency:
            raise ValueError(f"latency {l2.latency:g} is not more than l1d's, {first.latency:g}")
        return l2

    @field_validator("sources")
    @classmethod
    def _every_figure_has_one(cls, sources: dict[str, str]) -> dict[str, str]:
        return figures_have_sources(_FIGURES, sources)


def _listed(names: Collection[str]) -> str:
    return ", ".join(f for f in _CHOSEN_BY if f in names) or f"none of {', '.join(_CHOSEN_BY)}"
