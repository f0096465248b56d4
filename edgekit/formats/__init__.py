"""Target formats: one package a format, each a ``contracts.Format``, all alike."""
