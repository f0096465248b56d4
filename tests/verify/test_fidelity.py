"""Which models' outputs have a best class."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.contracts import Metric, Workload
from edgekit.types.tensor import TensorSpec
from edgekit.verify.fidelity import float_reference, is_classifier, measure_fidelity

ACCURACY = Metric("top-1 accuracy", "%", True)


def workload(labels=None, metric=None, module=None):
    return Workload("net", Path("net.py"), module or nn.Identity(), (torch.zeros(1, 3),), ("x",), ("y",),
                    labels=labels, metric=metric)


@pytest.mark.parametrize(("shape", "labels", "metric", "wanted"), [
    ((1, 3), ["a", "b", "c"], None, True),
    ((4, 3), None, ACCURACY, True),
    ((1, 3), None, Metric("mse", "", False), False),
    ((1, 1), None, ACCURACY, False),  # one score for yes or no
    ((1, 3, 8, 8), ["a", "b", "c"], ACCURACY, False),  # classes of pixels
    ((1, 8, 3), ["a", "b", "c"], ACCURACY, False),  # of tokens
    ((1, 3), ["a", "b"], ACCURACY, False),  # an embedding beside labels for something else
])
def test_only_rows_of_scores_have_a_best_class(shape, labels, metric, wanted):
    assert is_classifier(workload(labels, metric), np.zeros(shape, np.float32)) == wanted


class Plain:
    """A session that answers with its inputs."""

    inputs = (TensorSpec(name="x", shape=(1, 3), dtype="float32"),)
    outputs = (TensorSpec(name="y", shape=(1, 3), dtype="float32"),)

    def run(self, inputs):
        return list(inputs)


def test_agreement_is_left_out_where_there_is_no_best_class():
    for labels, wanted in ((["a", "b", "c"], 1.0), (["a", "b"], None)):
        one = workload(labels)
        reference = float_reference(one, [(torch.rand(1, 3),)], "test")
        assert measure_fidelity(one, Plain(), reference).top1_agreement == wanted
