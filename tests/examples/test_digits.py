"""The digits examples: committed weights keep their accuracy, the folds are right, the trainer script works."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch

from edgekit.compress.registry import get_pass
from edgekit.compress.state import restore_state, save_state
from edgekit.contracts import Metric
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("digits_mobilenet", "digits_shufflenet", "digits_mobilenetv3")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_committed_weights_are_small_and_accurate(name: str) -> None:
    workload = load_workload(str(EXAMPLES / f"{name}.py"))
    assert (EXAMPLES / "weights" / f"{name}.safetensors").stat().st_size < 2e6
    assert workload.metric == Metric("top-1", "%", higher_is_better=True)
    assert workload.evaluate is not None
    with torch.inference_mode():
        assert workload.module(*workload.example).shape == (1, len(workload.labels or ()))
        assert workload.evaluate(workload.module) >= 98.5


@pytest.mark.parametrize("name", NAMES)
def test_channels_can_be_pruned_and_the_rest_captured(name: str, tmp_path: Path) -> None:
    workload = load_workload(str(EXAMPLES / f"{name}.py"))
    pruning = get_pass("structured")
    settings = pruning.settings(ratio=0.3, train={"epochs": 0})
    pruning.requires(workload, settings)
    result = pruning.run(workload, settings)
    pruning.ensures(workload.module, result, settings)
    assert result.changed["macs_after"] < 0.8 * result.changed["macs_before"]
    save_state(result.module, tmp_path / "module.safetensors", dict(result.changed))
    workload.module, _ = restore_state(workload.module, tmp_path / "module.safetensors")
    program = capture(workload)
    x = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(program.exported.module()(x), result.module(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_calibration_and_training_data_fit_the_model(name: str) -> None:
    example = import_module(name)
    shape = example.example_inputs()[0].shape
    samples = list(example.calibration())
    assert len(samples) >= 128
    assert all(x.shape == shape and x.dtype == torch.float32 for x, in samples)
    (images,), targets = next(iter(example.train_data()))
    assert images.shape[1:] == shape[1:]
    assert len(images) == len(targets)
    assert images.isfinite().all()


def test_folds_share_nothing_and_cover_everything() -> None:
    data = import_module("digits_data")
    seen = torch.cat([test for _, test in data.folds()]).sort().values
    assert torch.equal(seen, torch.arange(1797))
    for train, test in data.folds():
        assert not set(train.tolist()) & set(test.tolist())
        counts = data.targets()[test].bincount(minlength=10)
        assert counts.max() - counts.min() <= 3


def test_metric_counts_right_answers() -> None:
    data = import_module("digits_data")
    test = data.folds()[0][1]
    answers = torch.nn.functional.one_hot(data.targets()[test], 10)
    assert data.accuracy(lambda images: answers) == 100
    assert data.accuracy(lambda images: answers.roll(1, 1).numpy()) == 0


def test_preprocess_gives_the_images_the_model_was_trained_on() -> None:
    from sklearn.datasets import load_digits

    data = import_module("digits_data")
    recipe = data.PREPROCESS
    pixels = torch.tensor(load_digits().images[:4], dtype=torch.float32)[:, None].repeat(1, 3, 1, 1) * 255 / 16
    pixels = torch.nn.functional.interpolate(pixels, recipe["resize"], mode="bilinear")
    mean, std = (torch.tensor(recipe[key]).view(3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close((pixels * recipe["scale"] - mean) / std, data.images()[:4])


def test_fold_models_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("train_digits")
    monkeypatch.setattr(script, "SETTINGS", script.SETTINGS.model_copy(update={"epochs": 1, "max_batches": 2}))
    threads = torch.get_num_threads()
    path = script.fold_weights("mobilenet", 3, tmp_path)
    written = path.stat().st_mtime_ns
    assert script.fold_weights("mobilenet", 3, tmp_path) == path
    assert [file.stat().st_mtime_ns for file in tmp_path.iterdir()] == [written]
    assert script.content_key("mobilenet", 3) != script.content_key("mobilenet", 2)
    assert torch.get_num_threads() == threads
    workload = load_workload(str(EXAMPLES / "digits_mobilenet.py"), weights=path)
    assert workload.module(*workload.example).shape == (1, 10)
