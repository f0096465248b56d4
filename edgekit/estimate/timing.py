"""What a core's instructions and cache misses cost: fitted to measured networks, stored in device_profiles/timing/."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["GROUPS", "CoreTiming", "Cycles", "Group", "Machine", "Scheduled", "Threading"]

Text = Annotated[str, StringConstraints(min_length=1)]
Group = Literal["multiply_add", "integer_multiply", "vector", "vector_memory", "memory", "integer"]

# The emulated device's instruction classes by what they occupy in a core.
GROUPS: dict[str, Group] = {
    "fp32_multiply_add": "multiply_add", "fp64_multiply_add": "multiply_add", "fp16_multiply_add": "multiply_add",
    "bf16": "multiply_add", "integer_multiply": "integer_multiply", "int8_dot": "integer_multiply",
    "i8mm": "integer_multiply", "vector": "vector", "scalar_float": "vector", "crypto": "vector",
    "vector_load": "vector_memory", "vector_store": "vector_memory", "load": "memory", "store": "memory",
    "atomic_or_prefetch": "memory", "integer": "integer", "branch": "integer", "system": "integer"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Instructions(_Part):
    """Cycles of the core for each instruction of a group."""

    multiply_add: float = Field(gt=0)
    integer_multiply: float = Field(gt=0)
    vector: float = Field(gt=0)
    vector_memory: float = Field(gt=0)
    memory: float = Field(gt=0)
    integer: float = Field(gt=0)


class Scheduled(Instructions):
    """Where the instructions were scheduled: the cycles of each beside a share of the schedule's."""

    share: float = Field(gt=0, le=4, description="of the scheduled cycles")


class Cycles(Instructions):
    """Cycles of each instruction where there is no schedule, and of each line that a cache level has to fetch."""

    l1_miss: float = Field(ge=0)
    l2_miss: float = Field(ge=0, description="where a third level answers")
    streamed: float = Field(ge=0, le=1, description="of l1_miss and l2_miss, what a line costs that continues a stream")


class Threading(_Part):
    """How several threads share the work."""

    parallel_share: float = Field(gt=0, le=1, description="of the instructions' cycles, what several threads divide")
    line_share: float = Field(gt=0, le=1, description="and of those of lines that a further cache gives")
    region_cycles: float = Field(ge=0, description="cycles to start and end each operator on several threads")


class Machine(_Part):
    """What a measured machine adds to its core."""

    line_ns: float = Field(gt=0, description="nanoseconds for a line from memory")
    scale: float = Field(gt=0, description="measured / predicted time: its real clock, its system")


class CoreTiming(_Part):
    """A core's costs; of which machines, networks and wheels they were fitted stands in ``provenance``."""

    core: Text
    cycles: Cycles
    scheduled: Scheduled
    line_ns: float = Field(gt=0, description="nanoseconds for a line from memory, of a machine that nobody measured")
    streamed: float = Field(ge=0, le=1, description="of that, what a line costs that continues a stream")
    bus_share: float = Field(gt=0, le=2, description="of the memory's peak bandwidth, what lines from it reach")
    threads: Threading
    operator_cycles: float = Field(default=0, ge=0, description="of each operator's call, beside what it executes")
    machines: dict[Text, Machine] = Field(default={}, description="those that it was fitted on")
    spread: float = Field(gt=0, description="half of the 90 % interval of ln(predicted / measured), machine left out")
    measured_spread: float = Field(gt=0, description="the same on one of ``machines``, network left out")
    relative: Text | None = Field(default=None, description="the core whose parameters these are; None: its own")
    provenance: dict[Text, Text]

    def on(self, device: str) -> Machine:
        """What the device adds; where nobody measured it, what the core's costs say of any."""
        return self.machines.get(device) or Machine(line_ns=self.line_ns, scale=1)
