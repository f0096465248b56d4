"""The nouns: pure data (pydantic v2), no torch. One idea a file."""
