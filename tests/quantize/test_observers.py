"""Observers: exact small cases, the growing histogram, and mse never worse than min/max."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from edgekit.errors import UsageError, WorkloadError
from edgekit.quantize.histogram import BINS, Histogram
from edgekit.quantize.observers import OBSERVERS, make_observer


def observe(name, *samples):
    observer = make_observer(name)
    for sample in samples:
        observer.update(sample)
    return observer


def error(values, lo, hi, bits=8):
    step = (hi - lo) / (2**bits - 1)
    zero = round(-lo / step)
    codes = np.clip(np.round(values / step) + zero, 0, 2**bits - 1)
    return float(np.square((codes - zero) * step - values).sum())


def test_minmax_is_over_all_samples_and_holds_zero():
    assert observe("minmax", torch.tensor([[1.0, 4.0]]), np.array([2.0])).range() == (0.0, 4.0)
    assert observe("minmax", np.array([-3.0, 1.0])).range(symmetric=True) == (-3.0, 3.0)


def test_histogram_bins_are_powers_of_two_aligned_at_zero():
    histogram = Histogram()
    histogram.add(np.array([-1.0, 0.0, 0.5, 2047.0], dtype=np.float32))
    assert histogram.width == 2.0
    assert histogram.counts.sum() == 4
    assert histogram.counts[-histogram.first] == 2  # 0.0 and 0.5 share [0, 2)
    assert len(histogram.counts) <= BINS


def test_growing_histogram_equals_one_shot():
    rng = np.random.default_rng(0)
    samples = [rng.normal(0, 10.0**k, 5000).astype(np.float32) for k in (-6, -2, 3, 0, 1)]
    grown, once = Histogram(), Histogram()
    for sample in samples:
        grown.add(sample)
    once.add(np.concatenate(samples))
    assert (grown.exponent, grown.first) == (once.exponent, once.first)
    np.testing.assert_array_equal(grown.counts, once.counts)


def test_percentile_cuts_outliers_and_not_more():
    values = np.append(np.linspace(0, 1, 100_000, dtype=np.float32), np.float32([1000.0]))
    lo, hi = observe("percentile", values).range()
    assert lo == 0.0
    assert 0.99 < hi < 2.1  # one bin of the histogram is 1 wide here


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("draw", ["normal", "relu", "laplace", "outlier", "uniform", "constant", "two_sided"])
def test_mse_is_not_worse_than_minmax(draw, bits):
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(size=20000), "relu": np.maximum(rng.normal(size=20000), 0),
        "laplace": rng.laplace(size=20000), "outlier": np.append(rng.normal(size=20000), 300.0),
        "uniform": rng.uniform(-1, 3, 20000), "constant": np.full(100, 0.7),
        "two_sided": np.concatenate([rng.normal(size=9000), [-50.0, 80.0]]),
    }[draw].astype(np.float32)
    found = error(values, *observe("mse", values).range(bits), bits)
    assert found <= error(values, *observe("minmax", values).range(bits), bits) * 1.02 + 1e-9


def test_mse_clips_a_lone_outlier():
    values = np.append(np.random.default_rng(2).normal(size=100_000), 60.0).astype(np.float32)
    lo, hi = observe("mse", values).range()
    assert -6 < lo < -3
    assert 4 < hi < 59  # clipping weighs more than rounding: most of a lone value's reach stays


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("values", [np.zeros(50), np.full(50, 1e-20), np.full(9, -2.0), np.array([1e-17, -3e-18]),
                                    np.array([-3.4e38, 1.0]), np.array([-np.inf, 1.0])])
def test_degenerate_ranges_are_quick_and_finite(name, values):
    observer = observe(name, values)
    start = time.perf_counter()
    lo, hi = observer.range()
    assert time.perf_counter() - start < 0.05
    assert lo <= 0 <= hi
    assert np.isfinite([lo, hi]).all()


def test_a_range_takes_about_a_millisecond():
    observer = observe("mse", np.random.default_rng(3).normal(size=200_000))
    start = time.perf_counter()
    for _ in range(20):
        observer.range()
    assert (time.perf_counter() - start) / 20 < 0.01  # about 0.5 ms on a quiet machine


def test_mistakes_are_named():
    with pytest.raises(WorkloadError, match="NaN"):
        make_observer("mse").update(torch.tensor([1.0, float("nan")]))
    with pytest.raises(UsageError, match="no values"):
        make_observer("minmax").range()
    with pytest.raises(UsageError, match="entropy"):
        make_observer("entropy")
