"""A folder of images as calibration samples, prepared as the workload's ``preprocess()`` says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from edgekit.contracts import Inputs, Workload
from edgekit.errors import WorkloadError
from edgekit.workload.origin import shown
from edgekit.workload.preprocess import Preprocess

__all__ = ["image_samples", "read_image"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def image_samples(workload: Workload, folder: Path) -> Iterator[Inputs]:
    """Images of ``folder`` and below, each a float32 batch of one, in an order that is mixed but the same every time:
    the first ones of a sorted tree of classes would be of one class.

    Raises WorkloadError: ``calibration-no-preprocess``, ``calibration-broken``, ``calibration-missing`` (no images),
    ``calibration-keys`` (several inputs).
    """
    where = shown(str(folder))
    if workload.preprocess is None:
        raise WorkloadError("calibration-no-preprocess", "images cannot be prepared: the workload has no preprocess()",
                            where=shown(str(workload.source)), cause="size, colour order, mean and std are not known",
                            next='define preprocess(): return {"resize": (224, 224), "mean": (0.5,), "std": (0.5,)}')
    if len(workload.example) != 1 or workload.example[0].ndim != 4:
        raise WorkloadError("calibration-keys", "a folder of images calibrates models with one image input only",
                            where=where, cause=f"inputs: {', '.join(workload.input_names)}",
                            next="give an .npz with one array an input")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES)
    random.Random(0).shuffle(files)
    if not files:
        raise WorkloadError("calibration-missing", f"no images in {folder.name}", where=where,
                            cause=f"looked for {', '.join(_SUFFIXES)}", next="name a folder with such files")
    how = Preprocess.model_validate(workload.preprocess)
    shape = workload.example[0].shape
    size = how.resize or (tuple(shape[2:]) if how.layout == "nchw" else tuple(shape[1:3]))
    batch = shape[0]
    for start in range(0, len(files) - batch + 1, batch):
        yield (torch.cat([read_image(f, how, (size[0], size[1])) for f in files[start:start + batch]]),)


def read_image(file: Path, how: Preprocess, size: tuple[int, int]) -> torch.Tensor:
    """One image as the model takes it: float32, 1xCxHxW or 1xHxWxC; ``size`` is (height, width)."""
    from PIL import Image, UnidentifiedImageError
    filters = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
               "bicubic": Image.Resampling.BICUBIC}
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would clip them at 255
                raise WorkloadError("calibration-broken", f"{file.name} has more than 8 bits a channel",
                                    where=shown(str(file)), cause=f"its mode is {image.mode}",
                                    next="convert the images to 8 bits, or give an .npz with the model's own inputs")
            converted = image.convert("L" if how.color == "gray" else "RGB")
            if converted.size != (size[1], size[0]):
                converted = converted.resize((size[1], size[0]), filters[how.interpolation])
            pixels = np.asarray(converted, dtype=np.float32)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise WorkloadError("calibration-broken", f"{file.name} is not a whole image", where=shown(str(file)),
                            cause=str(error), next="remove it from the folder, or write it again") from error
    pixels = pixels.reshape(*size, how.channels)
    if how.color == "bgr":
        pixels = pixels[..., ::-1]
    values = (pixels * np.float32(how.scale) - np.asarray(how.mean, np.float32)) / np.asarray(how.std, np.float32)
    if how.layout == "nchw":
        values = values.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values))[None]
