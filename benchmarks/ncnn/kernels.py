"""ncnn's layers as operators of a kernel table: which kernel it chooses, by shape and dtype (ncnn's src/layer/arm)."""

from __future__ import annotations

import math

from network import Layer

from edgekit.estimate.kernels import Operator

_PRODUCTS = ("pointwise", "winograd")  # first-level misses of networks left out tell: 7 % off, 29 and 15 % without rows
_WEIGHTED = ("pointwise", "depthwise", "convolution", "linear")
_OWN = ("Swish", "Softmax", "GELU", "LRN", "LayerNorm", "Reduction", "Normalize", "Interp", "Permute")
_DETECTIONS = ("DetectionOutput", "Yolov3DetectionOutput", "YoloDetectionOutput")
_COPIES = ("Reshape", "Flatten", "ShuffleChannel", "Slice", "Crop", "Concat", "Padding")
_IMAGE = 4  # fewer input channels: the first convolution
_GLOBAL = 6  # a pooling window from this on


def lanes_of(half: bool) -> int:
    """Elements that ncnn packs, of channels that divide by it."""
    return 8 if half else 4


def kernel_of(layer: Layer, int8: bool, half: bool) -> str:
    """The kernel's name; ``.odd`` where channels do not divide into packs."""
    channels, out = layer.inputs[0][0], layer.outputs[0][0]
    packed = channels % lanes_of(half) == 0
    end = (".int8" if int8 and layer.kind in _WEIGHTED else "")
    if layer.kind == "linear" or (layer.kind == "pointwise" and math.prod(layer.outputs[0][1:]) == 1):
        return "linear" + end
    if layer.kind == "pointwise":
        return ("pointwise" if channels % 4 == 0 and out % 4 == 0 else "pointwise.odd") + end
    if layer.macs and math.prod(layer.outputs[0]) / out > math.prod(layer.inputs[0]) / channels:
        return "deconvolution"
    if layer.kind == "depthwise":
        size = f"{layer.kernel}x{layer.kernel}" if layer.kernel in (3, 5) else ""
        return f"depthwise{size}{'' if packed else '.odd'}{end}"
    if layer.kind == "convolution":
        if layer.groups > 1:
            return "group" + end
        if channels < _IMAGE:
            return "image" + end
        return ("winograd" if layer.kernel == 3 and layer.stride == 1 else "convolution") + end
    if layer.kind == "pooling":
        return "pooling" if layer.kernel < _GLOBAL else "pooling.global"
    if layer.kind in _OWN or layer.kind == "attention":
        return layer.kind
    if layer.kind in _DETECTIONS:
        return "detections"
    return ("copy" if layer.kind in _COPIES else "elementwise") + ("" if packed else ".odd")


def operator_of(layer: Layer, int8: bool, half: bool) -> Operator:
    kernel = kernel_of(layer, int8, half)
    inputs, outputs = (float(sum(math.prod(s) for s in shapes)) for shapes in (layer.inputs, layer.outputs))
    macs, weights = float(layer.macs), float(layer.weights)
    size = 1 if int8 and layer.kind in _WEIGHTED else 2 if half else 4
    if kernel.startswith("winograd"):  # whole tiles; transformed weights, of which there are 16/9 times as many
        macs *= math.prod(-(-n // 4) * 4 / n for n in layer.outputs[0][1:])
        weights *= 16 / 9
    if kernel.startswith("linear"):  # of several rows: each goes through all weights
        weights *= max(layer.macs / layer.weights, 1)
    if kernel == "pooling":
        macs = outputs * layer.kernel**2
    return Operator(kernel, macs, inputs, outputs, inputs * size, outputs * size, weights * size,
                    regions=layer.regions,
                    rows=layer.macs / layer.weights if kernel.split(".")[0] in _PRODUCTS and layer.weights else 0)
