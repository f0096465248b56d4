"""Small networks that look trained, their inputs, and Programs made from them."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path

import torch
from torch import nn

from edgekit.contracts import Inputs, Program, Workload

SIZE = 32


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.expand = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.expand(torch.relu(self.reduce(self.pool(x)))))


class TinyCnn(nn.Module):
    """Conv-BN-ReLU6, depthwise, hard-swish, squeeze-excite, residual addition, classifier; input [N, 3, 32, 32]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 16, stride=2), nn.ReLU6())
        self.depthwise = nn.Sequential(*conv_bn(16, 16, groups=16), nn.Hardswish())
        self.excite = SqueezeExcite(16)
        self.project = nn.Sequential(*conv_bn(16, 16, kernel=1))
        self.tail = nn.Sequential(*conv_bn(16, 32, stride=2), nn.ReLU6())
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.project(self.excite(self.depthwise(x)))
        return self.head(self.tail(x).mean((2, 3)))


class TinyText(nn.Module):
    """Embedding, one attention block with layer norm and GELU, and a tied output projection; input token ids [N, 8]."""

    def __init__(self, words: int = 64, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.out = nn.Linear(width, words, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.out(x + self.mlp(x))


def images(count: int, batch: int = 1, seed: int = 0) -> list[Inputs]:
    """Smooth random images, float32 [batch, 3, 32, 32], in about -1 to 1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, batch, 3, 8, 8, generator=generator).flatten(0, 1)
    smooth = nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return [(image,) for image in smooth.split(batch)]


def sentences(count: int, batch: int = 1, seed: int = 0) -> list[Inputs]:
    """Random token ids, int64 [batch, 8]."""
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randint(0, 64, (batch, 8), generator=generator),) for _ in range(count)]


def settle(module: nn.Module, batches: list[Inputs]) -> nn.Module:
    """Gives BatchNorm real statistics and varied gains, as training would; returns the module in eval mode."""
    torch.manual_seed(0)
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.3, 0.6)
    with torch.no_grad():
        for _ in range(3):
            for batch in batches:
                module.train()(*batch)
    return module.eval()


def workload_of(module: nn.Module, example: Inputs, *, dynamic_batch: bool = False,
                output_names: tuple[str, ...] = ("logits",)) -> Workload:
    return Workload(
        name="tiny", source=Path("tiny.py"), module=module, example=example,
        input_names=tuple(signature(module.forward).parameters)[:len(example)],
        output_names=output_names, dynamic_batch=dynamic_batch)


def program_of(module: nn.Module, example: Inputs, *, dynamic_batch: bool = False,
               output_names: tuple[str, ...] = ("logits",)) -> Program:
    from edgekit.workload.capture import capture

    return capture(workload_of(module, example, dynamic_batch=dynamic_batch, output_names=output_names))


def programs_of(networks: Mapping[str, tuple[type[nn.Module], tuple[int, ...]]],
                output_names: tuple[str, ...] = ("logits",)) -> dict[str, tuple[nn.Module, Program, tuple[int, ...]]]:
    """Each network by name, made and captured on random values of its shape: module, program, shape."""
    torch.manual_seed(0)
    made = {}
    for name, (network, shape) in networks.items():
        module = network().eval()
        made[name] = module, program_of(module, (torch.randn(shape),), output_names=output_names), shape
    return made
