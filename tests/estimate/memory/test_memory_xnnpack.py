"""Figures of XNNPACK: each literal is a size that LiteRT 2.3.0 asked of the allocator under emulation (Cortex-A72)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.estimate.memory.xnnpack import (
    Node,
    Value,
    Window,
    indirection_bytes,
    packed_bytes,
    workspace_bytes,
)


@pytest.mark.parametrize(("weight", "bits", "size"), [
    ((64, 10, 4, 1), 32, 10_496), ((64, 1, 1, 64), 32, 16_640), ((1000, 1280), 32, 5_124_000),
    ((1000, 1280), 8, 1_288_000), ((32, 16), 16, 32 * (32 + 2))])
def test_packed_weights(weight: tuple[int, ...], bits: int, size: int) -> None:
    node = Node("linear", (0,), (1,), weight, bits)
    assert packed_bytes(node) == size
    assert packed_bytes(replace(node, dynamic=True)) == 0


@pytest.mark.parametrize(("kind", "window", "size"), [
    ("conv", Window((10, 4), (2, 2), (25, 5), padded=True), 40_960),
    ("conv", Window((3, 3), (2, 2), (112, 112), padded=True), 903_168),
    ("conv", Window((1, 1), (1, 1), (14, 14)), 0),
    ("depthwise_conv", Window((3, 3), (1, 1), (25, 5), padded=True), 4_200),
    ("depthwise_conv", Window((3, 3), (1, 1), (112, 112), padded=True), 306_432),
    ("depthwise_conv", Window((3, 3), (2, 2), (56, 56), padded=True), 151_872)])
def test_tables_of_addresses(kind: str, window: Window, size: int) -> None:
    assert indirection_bytes(Node(kind, (0,), (1,), window=window)) == size


def _chain(*kinds: str) -> list[Node]:
    return [Node(kind, (n,), (n + 1,)) for n, kind in enumerate(kinds)]


def test_workspace_of_two_neighbours() -> None:
    """DS-CNN's: two values of 25 x 5 x 64 floats, each with 16 bytes that kernels may read beyond."""
    values = {n: Value(32_000, external=n in (0, 4)) for n in range(5)}
    assert workspace_bytes(values, _chain("conv", "conv", "conv", "conv")) == 64_032


def test_elementwise_results_take_their_operand_s_place() -> None:
    values = {n: Value(1600, external=n in (0, 3)) for n in range(4)}
    assert workspace_bytes(values, _chain("conv", "relu", "conv")) == 1616
    read_twice = [*_chain("conv", "relu", "conv"), Node("add", (1, 3), (4,))]
    assert workspace_bytes({**values, 4: Value(1600, external=True)}, read_twice) == 2 * 1616


def test_paddings_and_int8_functions_are_fused() -> None:
    values = {n: Value(1600, external=n in (0, 3)) for n in range(4)}
    assert workspace_bytes(values, _chain("conv", "pad", "conv")) == 1616
    assert workspace_bytes(values, _chain("conv", "pad", "max_pool")) == 2 * 1616
    values = {0: Value(1600, external=True), 1: Value(1600), 2: Value(6400), 3: Value(6400), 4: Value(1600),
              5: Value(1600, external=True)}
    assert workspace_bytes(values, _chain("conv", "dequantize", "tanh", "quantize", "conv")) <= 2 * 1616
