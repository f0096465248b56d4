import numpy as np
import pytest

from edgekit.types.fidelity import WORST_DB
from edgekit.verify.compare import compare, sqnr_db


def test_sqnr_is_ten_log_of_power_ratio():
    ref = np.array([3.0, 4.0])
    assert sqnr_db(ref, ref + np.array([0.0, 0.5])) == pytest.approx(20.0)


def test_equal_outputs_have_no_finite_ratio():
    assert sqnr_db(np.ones(3), np.ones(3)) is None


@pytest.mark.parametrize("bad", [np.array([np.nan, 1.0]), np.array([np.inf, 1.0])])
def test_not_finite_outputs_are_the_worst(bad):
    assert sqnr_db(np.ones(2), bad) == WORST_DB


def test_error_on_a_zero_reference_is_the_worst():
    assert sqnr_db(np.zeros(2), np.array([0.0, 1e-9])) == WORST_DB


def test_several_outputs_count_by_their_worst():
    ref = [[np.ones((1, 4)), np.ones((1, 2))]] * 2
    val = [[np.ones((1, 4)), np.full((1, 2), 0.9)]] * 2
    result = compare(ref, val)
    assert result.sqnr_db == pytest.approx(20.0)
    assert result.max_abs == pytest.approx(0.1)


def test_top1_agreement_counts_rows_of_a_batch():
    ref = [[np.eye(8, dtype=np.float32)]]
    val = [[np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 4, 5, 6, 0]]]]
    assert compare(ref, val, classifier=True).top1_agreement == 0.875


def test_top1_agreement_counts_inputs():
    ref = [[np.array([[0.1, 0.9]])], [np.array([[0.9, 0.1]])]]
    val = [[np.array([[0.2, 0.8]])], [np.array([[0.4, 0.6]])]]
    assert compare(ref, val, classifier=True).top1_agreement == 0.5
    assert compare(ref, val).top1_agreement is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_the_worst_there_is(bad):
    distance = compare([[np.ones((1, 3), np.float32)]], [[np.float32([[1, bad, 1]])]])
    assert distance.sqnr_db == -200
    assert distance.cosine == 0
    assert 1e300 < distance.max_abs < np.inf
