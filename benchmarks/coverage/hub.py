"""Networks built from transformers' configurations, randomly initialised, small."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SIZE = 64


class Logits(nn.Module):
    """Gives a transformers model positional inputs and plain logits."""

    def __init__(self, model: nn.Module, names: tuple[str, ...], upsample: int = 1) -> None:
        super().__init__()
        self.model, self.names, self.upsample = model, names, upsample

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits = self.model(**dict(zip(self.names, inputs, strict=True))).logits
        return nn.functional.interpolate(logits, scale_factor=float(self.upsample), mode="bilinear") \
            if self.upsample > 1 else logits


class Pair(Logits):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


class Single(Logits):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


def _scaled(module: nn.Module) -> nn.Module:
    """Weights as large as such narrow layers need: transformers' 0.02 shrinks their signal to nothing."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight)
        elif isinstance(child, nn.Linear):
            nn.init.xavier_uniform_(child.weight)
    return module


def _image(model: str, config: str, **settings: Any) -> nn.Module:
    import transformers
    cfg = getattr(transformers, config)(num_labels=10, **settings)
    return Single(getattr(transformers, model)(cfg), ("pixel_values",))


def mobilenet_v1() -> nn.Module:
    return _image("MobileNetV1ForImageClassification", "MobileNetV1Config", depth_multiplier=0.25, image_size=SIZE,
                  classifier_dropout_prob=0.1)


def mobilenet_v2() -> nn.Module:
    return _image("MobileNetV2ForImageClassification", "MobileNetV2Config", depth_multiplier=0.35, image_size=SIZE,
                  classifier_dropout_prob=0.1)


def resnet() -> nn.Module:
    return _image("ResNetForImageClassification", "ResNetConfig", embedding_size=16, hidden_sizes=[16, 32, 64],
                  depths=[1, 1, 1], layer_type="basic")


def regnet() -> nn.Module:
    return _image("RegNetForImageClassification", "RegNetConfig", embedding_size=16, hidden_sizes=[24, 48, 96],
                  depths=[1, 2, 1], groups_width=8, layer_type="y")


def efficientnet() -> nn.Module:
    return _scaled(_image("EfficientNetForImageClassification", "EfficientNetConfig", image_size=SIZE,
                          width_coefficient=0.35, depth_coefficient=0.5, hidden_dim=448, dropout_rate=0.1))


def convnext() -> nn.Module:
    return _image("ConvNextForImageClassification", "ConvNextConfig", hidden_sizes=[24, 48, 96], depths=[1, 1, 1],
                  num_stages=3, image_size=SIZE)


def mobilevit() -> nn.Module:
    return _scaled(_image("MobileViTForImageClassification", "MobileViTConfig", image_size=SIZE,
                          hidden_sizes=[32, 40, 48], neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 96],
                          num_attention_heads=4))


def vit() -> nn.Module:
    return _scaled(_image("ViTForImageClassification", "ViTConfig", image_size=32, patch_size=4, hidden_size=64,
                          num_hidden_layers=3, num_attention_heads=4, intermediate_size=128,
                          attn_implementation="eager"))


def swin() -> nn.Module:
    return _scaled(_image("SwinForImageClassification", "SwinConfig", image_size=32, patch_size=2, embed_dim=24,
                          depths=[2, 2], num_heads=[2, 4], window_size=4))


def segformer() -> nn.Module:
    import transformers
    cfg = transformers.SegformerConfig(num_labels=2, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1],
                                       decoder_hidden_size=48, num_attention_heads=[1, 2, 2, 4])
    return _Segmenter(transformers.SegformerForSemanticSegmentation(cfg), ("pixel_values",), 4)


class _Segmenter(Logits):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)


def _text(model: str, config: str, **settings: Any) -> nn.Module:
    import transformers
    cfg = getattr(transformers, config)(num_labels=8, vocab_size=200, attn_implementation="eager", **settings)
    return Pair(getattr(transformers, model)(cfg), ("input_ids", "attention_mask"))


def bert() -> nn.Module:
    return _text("BertForSequenceClassification", "BertConfig", hidden_size=64, num_hidden_layers=2,
                 num_attention_heads=4, intermediate_size=128, max_position_embeddings=64)


def distilbert() -> nn.Module:
    return _text("DistilBertForSequenceClassification", "DistilBertConfig", dim=64, n_layers=2, n_heads=4,
                 hidden_dim=128, max_position_embeddings=64)


def mobilebert() -> nn.Module:
    return _scaled(_text("MobileBertForSequenceClassification", "MobileBertConfig", hidden_size=64, embedding_size=32,
                         num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, intra_bottleneck_size=32,
                         true_hidden_size=32, max_position_embeddings=64))


def gpt2() -> nn.Module:
    import transformers
    cfg = transformers.GPT2Config(vocab_size=64, n_positions=32, n_embd=64, n_layer=2, n_head=4, use_cache=False,
                                  attn_implementation="eager")
    return Decoder(transformers.GPT2LMHeadModel(cfg), ("input_ids",))


class Decoder(Logits):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, use_cache=False).logits
