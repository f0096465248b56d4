"""Artifacts into the Android app that ships them."""
