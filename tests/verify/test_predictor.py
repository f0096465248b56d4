import numpy as np
import pytest
import torch

from edgekit.errors import WorkloadError
from edgekit.types.tensor import QuantParams, TensorSpec
from edgekit.verify.predictor import float_predictor, from_artifact, predictor, to_artifact


class Echo:
    """A session that runs at a fixed batch of 2 and says which batches it saw."""

    def __init__(self) -> None:
        self.inputs = (TensorSpec(name="x", shape=(2, 3), dtype="float32"),)
        self.outputs = (TensorSpec(name="y", shape=(2, 3), dtype="float32"),)
        self.batches: list[int] = []

    def run(self, inputs):
        self.batches.append(inputs[0].shape[0])
        return [inputs[0] * 2]

    def layers(self, inputs):
        return []


def test_any_number_of_rows_through_a_fixed_batch():
    session = Echo()
    x = torch.arange(15.0).reshape(5, 3)
    out = predictor(session, (torch.zeros(2, 3),), ("x",))(x)
    assert session.batches == [2, 2, 2]
    torch.testing.assert_close(out, x * 2)


def test_a_module_that_writes_to_its_inputs_leaves_the_callers_alone():
    class Shifts(torch.nn.Module):
        def forward(self, x):
            return x.sub_(1)

    x = torch.ones(1, 3)
    predict = float_predictor(Shifts(), (x,), ("x",))
    assert torch.equal(predict(x), predict(x))
    assert torch.equal(x, torch.ones(1, 3))


def test_wrong_number_of_inputs_is_the_users_error():
    with pytest.raises(WorkloadError) as caught:
        predictor(Echo(), (torch.zeros(2, 3),), ("x",))()
    assert caught.value.code == "predict-inputs"


def test_quantized_nhwc_round_trip():
    spec = TensorSpec(name="x", shape=(1, 4, 5, 3), dtype="int8", layout="nhwc",
                      quant=QuantParams(scale=(0.1,), zero_point=(3,)))
    value = np.linspace(-5, 5, 60, dtype=np.float32).reshape(1, 3, 4, 5)
    stored = to_artifact(value, spec)
    assert stored.dtype == np.int8
    assert stored.shape == (1, 4, 5, 3)
    assert np.abs(from_artifact(stored, spec) - value).max() <= 0.05 + 1e-6


def test_quantizing_saturates():
    spec = TensorSpec(name="x", shape=(2,), dtype="uint8", quant=QuantParams(scale=(1.0,), zero_point=(128,)))
    assert to_artifact(np.array([-1e9, 1e9], dtype=np.float32), spec).tolist() == [0, 255]


def test_float_predictor_takes_keywords_and_batches():
    predict = float_predictor(torch.nn.Identity(), (torch.zeros(1, 3),), ("x",))
    assert predict(x=np.ones((4, 3), dtype=np.float32)).shape == (4, 3)
