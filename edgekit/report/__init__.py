"""The export report for people and programs: terminal, one-file HTML, JSON."""
