"""The line itself: stages, cache, isolation of native steps, progress events."""
