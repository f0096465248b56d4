"""Proof that an artifact is right: fidelity against the float model, and that it is what was asked."""
