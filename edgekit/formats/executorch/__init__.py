"""ExecuTorch: ``torch.export``, PT2E quantisation and the XNNPACK delegate to a ``.pte``, read back op by op."""
