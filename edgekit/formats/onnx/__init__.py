"""ONNX for ONNX Runtime: dynamo export, quantisation to QDQ with edgekit's own ranges, and reading back what runs."""
