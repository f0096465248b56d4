"""The table of networks: how to build each, its task, and how long it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from coverage import hub, tasks, vision


@dataclass(frozen=True)
class Network:
    """``steps`` of AdamW at ``rate`` reach a useful score in a few minutes at most. A task is made for a fold."""

    family: str
    build: Callable[[], nn.Module]
    task: Callable[[int], tasks.Task]
    steps: int = 500
    rate: float = 2e-3


def _digits(size: int) -> Callable[[int], tasks.Task]:
    return lambda fold: tasks.digits(size, fold)


ZOO: dict[str, Network] = {
    "mobilenet_v1": Network("cnn", hub.mobilenet_v1, _digits(64)),
    "mobilenet_v2": Network("cnn", hub.mobilenet_v2, _digits(64), 500),
    "inverted_relu6": Network("cnn", lambda: vision.inverted_net(nn.ReLU6, False), _digits(32)),
    "inverted_se_hardswish": Network("cnn", lambda: vision.inverted_net(nn.Hardswish, True), _digits(32)),
    "shufflenet": Network("cnn", vision.shufflenet, _digits(32)),
    "ghostnet": Network("cnn", vision.ghostnet, _digits(32)),
    "repvgg": Network("cnn", vision.repvgg, _digits(32)),
    "squeezenet": Network("cnn", vision.squeezenet, _digits(32)),
    "densenet": Network("cnn", vision.densenet, _digits(32)),
    "resnet": Network("cnn", hub.resnet, _digits(64)),
    "regnet": Network("cnn", hub.regnet, _digits(64)),
    "efficientnet": Network("cnn", hub.efficientnet, _digits(64), 900),
    "convnext": Network("cnn", hub.convnext, _digits(64)),
    "unet": Network("dense", vision.UNet, tasks.masks, 120),
    "pyramid": Network("dense", vision.FeaturePyramidSegmenter, tasks.masks, 150),
    "segformer": Network("dense", hub.segformer, tasks.masks, 200, 2e-3),
    "detector": Network("dense", vision.Detector, tasks.boxes, 800),
    "vit": Network("attention", hub.vit, _digits(32), 600, 2e-3),
    "swin": Network("attention", hub.swin, _digits(32), 500, 3e-3),
    "mobilevit": Network("attention", hub.mobilevit, _digits(64), 400, 2e-3),
    "conv_attention": Network("attention", vision.ConvAttention, _digits(32), 400, 1e-3),
    "bert": Network("text", hub.bert, tasks.tokens, 350, 1e-3),
    "distilbert": Network("text", hub.distilbert, tasks.tokens, 350, 1e-3),
    "mobilebert": Network("text", hub.mobilebert, tasks.tokens, 800, 1e-3),
    "gpt2": Network("text", hub.gpt2, tasks.next_token, 400, 1e-3),
    "wave_1d": Network("sound", vision.WaveNet1d, tasks.sound_wave),
    "depthwise_2d": Network("sound", vision.depthwise_sound, tasks.sound_image),
    "lstm": Network("recurrent", lambda: vision.Recurrent(nn.LSTM), tasks.motion, 500, 5e-3),
    "gru": Network("recurrent", lambda: vision.Recurrent(nn.GRU), tasks.motion, 500, 5e-3),
}
