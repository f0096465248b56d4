"""YAML files that people write (recipes, device profiles), with lines and columns, and all mistakes at once."""
