"""The schema of a pipeline: what a core starts in a cycle and how long results take, for scheduling instructions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from edgekit.devices.core import figures_have_sources

__all__ = ["Latencies", "Pipeline"]

Text = Annotated[str, StringConstraints(min_length=1)]
Cycles = Annotated[int, Field(ge=1, le=64)]
Ports = Annotated[int, Field(ge=1, le=16)]
_FIGURES = ("window", "ports", "vector_pipes_held", "latency", "sum_latency")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Held(_Part):
    """64-bit lanes of the vector pipes that an instruction holds which does not compute there."""

    load_64: int = Field(ge=0, le=8, description="a vector load of 64 bits or fewer")
    load_128: int = Field(ge=0, le=8, description="a wider one, for each cycle that it takes")
    transfer: int = Field(ge=0, le=8, description="between a general and a vector register")


class Latencies(_Part):
    """Cycles from an instruction's start to that of one which waits for its result, by kind."""

    load: Cycles
    vector_load: Cycles
    integer: Cycles
    shifted: Cycles = Field(description="integer with a shifted or extended operand")
    multiply: Cycles
    divide: Cycles
    multiply_add: Cycles = Field(description="fmla and the like")
    float_multiply: Cycles
    float: Cycles = Field(description="other floating point: fadd, fmax, conversions")
    float_divide: Cycles
    integer_multiply: Cycles = Field(description="of vectors")
    integer_multiply_add: Cycles
    dot: Cycles
    matrix: Cycles
    vector: Cycles = Field(description="other vector instructions: permutations, shifts, additions")
    move: Cycles = Field(description="of a whole vector register")
    transfer: Cycles


class SumLatencies(_Part):
    """Cycles from one sum to the next into the same register by the same kind of instruction: forwarded late."""

    multiply_add: Cycles
    integer_multiply_add: Cycles
    dot: Cycles
    matrix: Cycles


class Pipeline(_Part):
    """How instructions pass through a core. Its width, vector pipes and products a cycle stand in the core itself."""

    id: Text = Field(description="its file's name, without the ending")
    window: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        description="instructions that may be under way; null where they start in order")
    loads: Ports = Field(description="that start in a cycle")
    stores: Ports = Field(description="the same")
    addresses: Ports = Field(description="loads and stores together")
    load_bytes: Ports = Field(description="in a cycle; a longer load takes several")
    store_bytes: Ports
    integers: Ports = Field(description="integer instructions that start in a cycle")
    multiplies: Ports = Field(description="of these, products and quotients")
    branches: Ports
    vector_pipes_held: Held
    latency: Latencies
    sum_latency: SumLatencies
    sources: dict[Text, Text] = Field(description=f"where each figure is from: {', '.join(_FIGURES)}")

    @field_validator("sources")
    @classmethod
    def _every_figure_has_one(cls, sources: dict[str, str]) -> dict[str, str]:
        return figures_have_sources(_FIGURES, sources)
