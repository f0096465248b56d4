"""Recipes: which rooms a model passes and with what settings. Schema, loading with line numbers, JSON Schema."""
