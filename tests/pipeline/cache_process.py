"""Fetches one entry of a cache and says whether it made it: several of these run at once in test_cache."""

import sys
import time
from pathlib import Path

from edgekit.pipeline.cache import StageCache
from edgekit.pipeline.cache_key import CacheKey


def make(folder: Path) -> None:
    time.sleep(0.5)
    (folder / "file").write_text("made")


with StageCache(Path(sys.argv[1])) as cache:
    entry = cache.fetch(CacheKey("slow", "1"), make)
    print("hit" if entry.hit else "made", (entry.folder / "file").read_text())
