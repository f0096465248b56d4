"""Own definitions of vision and sound networks, by their papers; small widths, so that a minute trains them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(i: int, o: int, k: int = 3, s: int = 1, g: int = 1, act: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    layers = [nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Classifier(nn.Module):
    """Features, global average, linear."""

    def __init__(self, features: nn.Module, width: int, classes: int = 10) -> None:
        super().__init__()
        self.features, self.head = features, nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


class SqueezeExcite(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(c, c // 4, 1), nn.Conv2d(c // 4, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.expand(s))


class Inverted(nn.Module):
    """MobileNetV2/V3's block; ``se`` adds squeeze-excite."""

    def __init__(self, i: int, o: int, s: int, expand: int, act: type[nn.Module], se: bool) -> None:
        super().__init__()
        m = i * expand
        self.body = nn.Sequential(conv_bn(i, m, 1, act=act), conv_bn(m, m, 3, s, m, act),
                                  SqueezeExcite(m) if se else nn.Identity(), conv_bn(m, o, 1, act=None))
        self.residual = s == 1 and i == o

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def inverted_net(act: type[nn.Module], se: bool, channels: int = 3, classes: int = 10) -> nn.Module:
    rows = [(16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 64, 2)]
    return Classifier(nn.Sequential(conv_bn(channels, 16, 3, 2, act=act),
                                    *(Inverted(i, o, s, 4, act, se) for i, o, s in rows),
                                    conv_bn(64, 128, 1, act=act)), 128, classes)


class Shuffle(nn.Module):
    """ShuffleNetV2's unit: half the channels pass, then both halves are shuffled."""

    def __init__(self, c: int) -> None:
        super().__init__()
        h = c // 2
        self.body = nn.Sequential(conv_bn(h, h, 1), conv_bn(h, h, 3, 1, h, None), conv_bn(h, h, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, 1)
        x = torch.cat([a, self.body(b)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return Classifier(nn.Sequential(conv_bn(3, 32, 3, 2), Shuffle(32), Shuffle(32), conv_bn(32, 64, 3, 2), Shuffle(64),
                                    Shuffle(64), conv_bn(64, 128, 1)), 128)


class Ghost(nn.Module):
    """Half the channels by a convolution, the other half cheaply from them."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.primary, self.cheap = conv_bn(i, o // 2, 1), conv_bn(o // 2, o // 2, 3, 1, o // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.primary(x)
        return torch.cat([a, self.cheap(a)], 1)


def ghostnet() -> nn.Module:
    return Classifier(nn.Sequential(conv_bn(3, 16, 3, 2), Ghost(16, 32), conv_bn(32, 32, 3, 2, 32, None),
                                    SqueezeExcite(32), Ghost(32, 64), conv_bn(64, 64, 3, 2, 64, None),
                                    Ghost(64, 128)), 128)


class Rep(nn.Module):
    """RepVGG's block: three branches in training, one convolution after ``reparameterize``."""

    def __init__(self, i: int, o: int, s: int) -> None:
        super().__init__()
        self.dense, self.point = conv_bn(i, o, 3, s, act=None), conv_bn(i, o, 1, s, act=None)
        self.skip = nn.BatchNorm2d(i) if i == o and s == 1 else None
        self.fused: nn.Conv2d | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fused is not None:
            return F.relu(self.fused(x))
        out = self.dense(x) + self.point(x)
        return F.relu(out + self.skip(x) if self.skip is not None else out)

    def reparameterize(self) -> None:
        conv = self.dense[0]
        kernel, bias = _folded(conv.weight, self.dense[1])
        point, point_bias = _folded(self.point[0].weight, self.point[1])
        kernel, bias = kernel + F.pad(point, [1, 1, 1, 1]), bias + point_bias
        if self.skip is not None:
            eye = torch.zeros_like(kernel)
            eye[range(len(eye)), range(len(eye)), 1, 1] = 1.0
            skip, skip_bias = _folded(eye, self.skip)
            kernel, bias = kernel + skip, bias + skip_bias
        fused = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, 1)
        fused.weight.data, fused.bias.data = kernel.detach(), bias.detach()
        self.fused, self.skip = fused, None
        del self.dense, self.point


def _folded(weight: torch.Tensor, bn: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return weight * scale.view(-1, 1, 1, 1), bn.bias - bn.running_mean * scale


def repvgg() -> nn.Module:
    return Classifier(nn.Sequential(Rep(3, 24, 2), Rep(24, 24, 1), Rep(24, 48, 2), Rep(48, 48, 1), Rep(48, 96, 2),
                                    Rep(96, 96, 1)), 96)


class Fire(nn.Module):
    """SqueezeNet's block, with the functional pooling that has no stride."""

    def __init__(self, i: int, s: int, e: int, pool: bool) -> None:
        super().__init__()
        self.squeeze, self.one, self.three = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, padding=1)
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.squeeze(x))
        x = torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)
        return F.max_pool2d(x, 2) if self.pool else x


def squeezenet() -> nn.Module:
    return Classifier(nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), Fire(32, 16, 32, True),
                                    Fire(64, 16, 32, False), Fire(64, 32, 64, True), Fire(128, 32, 64, False)), 128)


class Dense(nn.Module):
    """DenseNet's layer: everything so far goes on."""

    def __init__(self, i: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(i), nn.Conv2d(i, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


def densenet() -> nn.Module:
    return Classifier(nn.Sequential(conv_bn(3, 24, 3, 2), *(Dense(24 + 12 * k, 12) for k in range(4)), nn.AvgPool2d(2),
                                    *(Dense(72 + 12 * k, 12) for k in range(4)), nn.BatchNorm2d(120), nn.ReLU()), 120)


class UNet(nn.Module):
    """Two levels down and up, skips concatenated, transposed convolution up."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv_bn(3, 16), conv_bn(16, 32), conv_bn(32, 64)
        self.up1, self.up0 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
        self.d1, self.d0, self.head = conv_bn(64, 32), conv_bn(32, 16), nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        b = self.d1(torch.cat([self.up1(c), b], 1))
        return self.head(self.d0(torch.cat([self.up0(b), a], 1)))


class FeaturePyramidSegmenter(nn.Module):
    """Strided features, brought together by bilinear resizing (as in dense-prediction heads)."""

    def __init__(self) -> None:
        super().__init__()
        self.s2, self.s4, self.s8 = conv_bn(3, 16, 3, 2), conv_bn(16, 32, 3, 2), conv_bn(32, 48, 3, 2)
        self.l2, self.l4, self.l8 = (nn.Conv2d(c, 24, 1) for c in (16, 32, 48))
        self.head = nn.Sequential(conv_bn(24, 24), nn.Conv2d(24, 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.s2(x)
        b = self.s4(a)
        y = self.l4(b) + F.interpolate(self.l8(self.s8(b)), scale_factor=2.0, mode="bilinear")
        y = self.l2(a) + F.interpolate(y, scale_factor=2.0, mode="bilinear")
        return F.interpolate(self.head(y), scale_factor=2.0, mode="bilinear")


class Detector(nn.Module):
    """A head with two outputs: class scores and a box."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv_bn(3, 16, 3, 2), conv_bn(16, 32, 3, 2), conv_bn(32, 48, 3, 2),
                                      conv_bn(48, 64, 3, 2), nn.Conv2d(64, 16, 1), nn.Flatten())
        self.hidden = nn.Linear(256, 128)
        self.scores, self.box = nn.Linear(128, 10), nn.Linear(128, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = F.relu(self.hidden(self.features(x)))
        return self.scores(h), self.box(h).sigmoid()


class WaveNet1d(nn.Module):
    """Depthwise separable 1-D convolutions on raw sound."""

    def __init__(self) -> None:
        super().__init__()
        def unit(i: int, o: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv1d(i, i, 9, 4, 4, groups=i, bias=False), nn.Conv1d(i, o, 1, bias=False),
                                 nn.BatchNorm1d(o), nn.ReLU())
        self.stem = nn.Sequential(nn.Conv1d(1, 32, 16, 4), nn.BatchNorm1d(32), nn.ReLU())
        self.body, self.head = nn.Sequential(unit(32, 64), unit(64, 96), unit(96, 128)), nn.Linear(128, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).mean(2))


def depthwise_sound() -> nn.Module:
    """DS-CNN, the keyword-spotting network of MLPerf Tiny, on spectrograms."""
    def unit(c: int) -> nn.Sequential:
        return nn.Sequential(conv_bn(c, c, 3, 1, c), conv_bn(c, c, 1))
    return Classifier(nn.Sequential(conv_bn(1, 48, 5, 2), unit(48), unit(48), unit(48)), 48, 8)


class ConvAttention(nn.Module):
    """A hybrid: convolutional stem, attention over a 1-D convolution of the positions, SiLU and LayerNorm."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 32, 3, 2, act=nn.SiLU), conv_bn(32, width, 3, 2, act=nn.SiLU))
        self.local = conv_bn(width, width, 3, 1, width, nn.SiLU)
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(),
                                 nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = (x + self.local(x)).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-2, -1) * (c // 4) ** -0.5).softmax(-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(n, t, c))
        return self.head((x + self.mlp(x)).mean(1))


class Recurrent(nn.Module):
    """The last state of an LSTM or GRU, classified."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.rnn, self.head = kind(6, 48, batch_first=True), nn.Linear(48, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0][:, -1])
