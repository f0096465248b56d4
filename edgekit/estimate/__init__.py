"""Predicted latency, memory and size, before anyone owns the device."""
