"""``python -m edgekit``: the same as the command ``edgekit``."""

from edgekit.cli.main import main

main()
