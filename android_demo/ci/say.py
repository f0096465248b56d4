"""How the build's small programs end: a sentence on what is wrong, and an exit status with edgekit's meaning."""

from __future__ import annotations

import sys
from typing import NoReturn

USAGE, BUILD, ENVIRONMENT = 2, 3, 5


def stop(status: int, sentence: str) -> NoReturn:
    print(f"build.sh: {sentence}", file=sys.stderr)
    raise SystemExit(status)
