"""``python -m edgekit``: the same as the command ``edgekit``."""

import sys

from edgekit.cli.main import main

if not sys.flags.safe_path:
    # `-m` puts the working directory first, where a user's onnx.py would stand in for the package.
    sys.path.append(sys.path.pop(0))
main()
