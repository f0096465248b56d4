"""Trains the digits examples: `python examples/train_digits.py mobilenet` writes its weights into examples/weights.

`--fold K` trains on the other four fifths and keeps the weights in a folder named by content (`--cache`), so that a
benchmark can score five models over all 1,797 images and trains each of them once.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import digits_data as data  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

import edgekit.train.trainer  # noqa: E402
from edgekit.train.settings import TrainSettings  # noqa: E402

ARCHITECTURES = ("mobilenet", "shufflenet", "mobilenetv3")
SETTINGS = TrainSettings(epochs=20, lr=4e-3, weight_decay=0.02, seed=0)


def train(arch: str, fold: int = 0, *, verbose: bool = False) -> nn.Module:
    """A model of ``digits_<arch>`` trained without fold ``fold``, in eval mode."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network gains nothing from a second, and one thread repeats exactly
    torch.manual_seed(SETTINGS.seed)
    model = importlib.import_module(f"digits_{arch}").build().to(memory_format=torch.channels_last)
    result = edgekit.train.trainer.fit(
        model, lambda: data.train_batches(data.folds()[fold][0]), nn.CrossEntropyLoss(label_smoothing=0.05), SETTINGS,
        progress=(lambda *state: print("epoch {} of {}: loss {:.4f}".format(*state))) if verbose else None)
    torch.set_num_threads(threads)
    if verbose:
        print(f"{result.seconds:.0f} s")
    return model.to(memory_format=torch.contiguous_format).eval()


def test_accuracy(model: nn.Module, fold: int) -> float:
    with torch.inference_mode():
        return data.accuracy(model, data.folds()[fold][1])


def content_key(arch: str, fold: int) -> str:
    """Changes with everything that decides the weights: the sources, the versions and the fold."""
    sources = [HERE / "digits_data.py", HERE / f"digits_{arch}.py", Path(__file__),
               Path(edgekit.train.trainer.__file__)]
    parts = [path.read_bytes() for path in sources]
    return hashlib.sha256(b"\0".join([*parts, f"{torch.__version__} {platform.machine()} {fold}".encode()])).hexdigest()


def fold_weights(arch: str, fold: int, cache: Path) -> Path:
    """Weights of the model that has not seen fold ``fold``: from the cache, or trained now and kept there."""
    path = cache / f"digits_{arch}-fold{fold}-{content_key(arch, fold)[:16]}.safetensors"
    if not path.exists():
        trained = train(arch, fold)
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file(trained.state_dict(), part)
        part.replace(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", choices=ARCHITECTURES)
    parser.add_argument("--fold", type=int, choices=range(data.FOLDS), help="train a fold model into the cache instead")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "edgekit" / "examples")
    options = parser.parse_args()
    if options.fold is not None:
        path = fold_weights(options.arch, options.fold, options.cache)
        model = importlib.import_module(f"digits_{options.arch}").build()
        model.load_state_dict(load_file(path))
        model.eval()
    else:
        path = HERE / "weights" / f"digits_{options.arch}.safetensors"
        model = train(options.arch, verbose=True)
        save_file(model.state_dict(), path)
    print(path)
    print(f"top-1 on images not trained on: {test_accuracy(model, options.fold or 0):.2f} %")


if __name__ == "__main__":
    main()
