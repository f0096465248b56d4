"""How long and how fast to train: the ``train:`` block of a compression pass."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TrainSettings"]


class TrainSettings(BaseModel):
    """Settings of one call of :func:`edgekit.train.trainer.fit`.

    ``lr`` is the peak learning rate; ``cosine`` lets it fall to zero over all epochs. ``max_batches`` cuts an epoch
    short. ``momentum`` is for ``sgd`` only. ``epochs: 0`` trains nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=3, ge=0)
    lr: float = Field(default=1e-3, gt=0)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    max_batches: int | None = Field(default=None, ge=1)
    seed: int = 0
