"""TensorFlow Lite: litert-torch writes a float model, ai-edge-quantizer quantises it, ai-edge-litert runs it."""
