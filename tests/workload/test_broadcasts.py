"""Expansions, pads, adaptive pools and patches are respelled where converters read them wrongly; outputs stay."""

import pytest
import torch
from rewrite_support import IMAGE, Calls, captured
from torch import nn
from torch.nn import functional as F


def operators_of(function, x=IMAGE, **children):
    children = children or {"conv": nn.Conv2d(4, 4, 3, padding=1)}
    return captured(Calls(function, **children), x)[1]


@pytest.mark.parametrize("function", [
    lambda s, x: x * s.conv(x).mean((2, 3)).view(2, 4, 1, 1).expand_as(x),
    lambda s, x: s.conv(x).mean(1, keepdim=True).expand(-1, 4, -1, -1) - x,
    lambda s, x: torch.where(s.conv(x) > 0, x, x.mean((2, 3), keepdim=True).expand_as(x)),
    lambda s, x: s.conv(x) + x[0, 0, 0].expand(2, 4, 8, 8)])
def test_arithmetic_expands_by_itself(function):
    assert not {"expand", "expand_as"} & set(operators_of(function))


@pytest.mark.parametrize("function", [
    lambda s, x: s.conv(x.mean((2, 3), keepdim=True).expand(-1, -1, 8, 8)),
    lambda s, x: (e := s.conv(x).mean((2, 3), keepdim=True).expand(-1, -1, 8, 8)) * e,
    lambda s, x: s.conv(x).mean((2, 3), keepdim=True).expand(-1, -1, 8, 8) * x.mean((2, 3), keepdim=True)])
def test_expansions_that_give_the_shape_stay(function):
    assert "expand" in operators_of(function)


def test_an_expansion_with_two_readers_stays_for_one():
    operators = operators_of(lambda s, x: (e := x.mean((2, 3), keepdim=True).expand_as(x)) * x + s.conv(e))
    assert sum(name.startswith("expand") for name in operators) == 1


@pytest.mark.parametrize(("pads", "slices", "left"), [
    ((-1, -2), 1, 0), ((-1, 2, 0, -3), 2, 1), ((1, 1), 0, 1), ((0, 0, 0, 0, 0, -1), 1, 0)])
def test_a_pad_that_crops_is_a_slice(pads, slices, left):
    operators = operators_of(lambda s, x: F.pad(s.conv(x), pads, value=0.5))
    assert (operators.count("slice"), operators.count("pad")) == (slices, left)


def test_a_pad_that_repeats_its_edge_stays():
    assert "pad" in operators_of(lambda s, x: F.pad(s.conv(x), (-1, 1, 0, 0), mode="replicate"))


@pytest.mark.parametrize(("pool", "size", "expected"), [
    (F.adaptive_max_pool2d, 4, "max_pool2d"), (F.adaptive_max_pool2d, (1, 2), "max_pool2d"),
    (F.adaptive_max_pool2d, (3, 5), "amax"), (F.adaptive_avg_pool2d, (2, 4), "avg_pool2d"),
    (F.adaptive_avg_pool2d, 3, "adaptive_avg_pool2d"), (F.adaptive_avg_pool2d, 1, "adaptive_avg_pool2d")])
def test_adaptive_pools_have_windows(pool, size, expected):
    operators = operators_of(lambda s, x: pool(s.conv(x), size))
    assert expected in operators
    assert "adaptive_max_pool2d" not in operators


@pytest.mark.parametrize(("size", "expected"), [(1, "amax"), (4, "max_pool1d"), (3, "amax")])
def test_adaptive_maxima_of_signals(size, expected):
    operators = operators_of(lambda s, x: F.adaptive_max_pool1d(s.conv(x).flatten(2), size))
    assert expected in operators
    assert "adaptive_max_pool1d" not in operators


def test_maxima_that_say_where_they_are_stay():
    assert "adaptive_max_pool2d" in operators_of(
        lambda s, x: F.adaptive_max_pool2d(s.conv(x), 2, return_indices=True)[1].float())


@pytest.mark.parametrize("size", [3, 4])
def test_local_response_normalisation_pools_images(size):
    operators = operators_of(lambda s, x: F.local_response_norm(s.conv(x), size))
    assert "avg_pool2d" in operators
    assert "avg_pool3d" not in operators


def test_other_pools_over_volumes_stay():
    assert "avg_pool3d" in operators_of(lambda s, x: F.avg_pool3d(s.conv(x), 2))


@pytest.mark.parametrize("settings", [
    {"kernel_size": 2, "stride": 2}, {"kernel_size": (3, 2), "padding": (1, 2), "dilation": (1, 2), "stride": (2, 1)},
    {"kernel_size": 8}, {"kernel_size": 1, "stride": 3}])
def test_patches_are_slices(settings):
    operators = operators_of(lambda s, x: F.unfold(s.conv(x), **settings))
    assert "im2col" not in operators
    assert "slice" in operators
