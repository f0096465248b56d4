"""Grids and fake quantisation, by hand."""

from __future__ import annotations

import pytest
import torch

from edgekit.quantize.params import (
    Grid,
    activation_grid,
    fake_quantize,
    fake_quantize_dynamic,
    fake_quantize_weight,
    weight_scales,
)


@pytest.mark.parametrize(("lo", "hi", "options", "expected"), [
    (0.0, 255.0, {}, Grid(1.0, -128, -128, 127)),
    (-127.5, 127.5, {}, Grid(1.0, -0, -128, 127)),
    (0.0, 510.0, {"signed": False}, Grid(2.0, 0, 0, 255)),
    (-1.0, 12.7, {"symmetric": True}, Grid(0.1, 0, -127, 127)),
    (0.0, 0.0, {}, Grid(1.0, -128, -128, 127)),
    (-32767.0, 10.0, {"bits": 16, "symmetric": True}, Grid(1.0, 0, -32767, 32767)),
])
def test_activation_grid(lo, hi, options, expected):
    grid = activation_grid(lo, hi, **options)
    assert grid.scale == pytest.approx(expected.scale)
    assert (grid.zero_point, grid.qmin, grid.qmax) == (expected.zero_point, expected.qmin, expected.qmax)


def test_fake_quantize_rounds_and_clips():
    values = torch.tensor([-3.0, 0.0, 0.4, 0.6, 300.0])
    assert fake_quantize(values, activation_grid(0.0, 255.0)).tolist() == [0.0, 0.0, 0.0, 1.0, 255.0]
    assert fake_quantize_dynamic(torch.tensor([0.0, 0.3, 255.0])).tolist() == [0.0, 0.0, 255.0]


def test_weights_have_a_scale_a_channel():
    weight = torch.tensor([[127.0, 0.6], [1.27, -0.634], [0.0, 0.0]])
    torch.testing.assert_close(weight_scales(weight, 0), torch.tensor([1.0, 0.01, 1.0]))
    expected = torch.tensor([[127.0, 1.0], [1.27, -0.63], [0.0, 0.0]])
    torch.testing.assert_close(fake_quantize_weight(weight, 0), expected)
    torch.testing.assert_close(fake_quantize_weight(weight.T, 1), expected.T)


def test_int4_weights_have_a_scale_a_channel():
    weight = torch.tensor([[7.0, 0.6, -3.4], [0.07, -0.034, 0.0]])
    torch.testing.assert_close(fake_quantize_weight(weight, 0, bits=4),
                               torch.tensor([[7.0, 1.0, -3.0], [0.07, -0.03, 0.0]]))
