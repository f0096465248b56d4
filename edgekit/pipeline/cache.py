"""Results of stages on disk, by the hash of all that they depend on. Safe for threads and processes side by side.

Layout of the cache folder (``EDGEKIT_CACHE``, else ``$XDG_CACHE_HOME/edgekit``, else ``~/.cache/edgekit``)::

    entries/<digest>/meta.json   key parts, when, seconds, bytes, sha256 of each file; its mtime is the last use
    entries/<digest>/files/      what the stage made
    building/<digest>.*/         what is being made; becomes an entry in one rename
    locks/<digest>               flock: shared by those who use an entry, exclusive to build or remove it
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.disk import cache_folder, disk_errors, files_under, sha256_of
from edgekit.errors import UsageError
from edgekit.pipeline.cache_key import CacheKey, Difference, differences

__all__ = ["Entry", "StageCache"]

DEFAULT_MAX_BYTES = 10 * 10**9
_SCHEMA = "edgekit/cache-entry/1"
_RETRY_S = 0.02


@dataclass(frozen=True)
class Entry:
    """A result in the cache. ``hit``: it was there before. ``seconds``: what making it took. Times are Unix seconds."""

    digest: str
    stage: str
    folder: Path
    parts: dict[str, Any]
    bytes: int
    seconds: float
    created: float
    last_used: float
    hit: bool = True


class StageCache:
    """Use as a context manager: entries that were fetched are held, and not pruned by anyone, until it closes.

    Args:
        max_bytes: after each new entry, those unused for longest are removed until the rest fits.
        say: takes one sentence when something is worth a word (an entry was damaged and is made anew).
    """

    def __init__(self, root: Path | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES,
                 say: Callable[[str], None] = lambda text: None) -> None:
        self.root = root or cache_folder()
        self.max_bytes, self._say = max_bytes, say
        self._held: dict[str, int] = {}
        self._guard = threading.Lock()
        with disk_errors("the stage cache", self.root):
            for name in ("entries", "building", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def fetch(self, key: CacheKey, make: Callable[[Path], None]) -> Entry:
        """The entry for ``key``; on a miss ``make(folder)`` fills it first, in one process only.

        What ``make`` raises passes through, and nothing half-made stays. The entry's files are the cache's own: copy
        them, do not change them. Raises EnvironmentProblem ``disk-full`` or ``not-writable``.
        """
        self._release(key.digest)
        while True:
            lock = self._lock(key.digest, fcntl.LOCK_SH)
            entry = self._read(key.digest, check=True)
            if entry is None:
                os.close(lock)
                try:  # never wait for the exclusive lock: who made the entry meanwhile may hold it for a whole run
                    lock = self._lock(key.digest, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(_RETRY_S)
                    continue
                try:
                    entry = self._read(key.digest, check=True) or self._build(key, make)
                    fcntl.flock(lock, fcntl.LOCK_SH)  # not atomic: someone may prune in between
                except BaseException:
                    os.close(lock)
                    raise
            if entry.folder.exists():
                with self._guard:  # in one step: two threads that release first would leave one lock behind
                    other, self._held[key.digest] = self._held.get(key.digest), lock
                if other is not None:
                    os.close(other)
                os.utime(entry.folder.parent / "meta.json")
                if not entry.hit and self.max_bytes < sum(e.bytes for e in self.entries()):
                    self.prune(self.max_bytes)
                return entry
            os.close(lock)

    def entries(self) -> list[Entry]:
        """All entries, the last used first."""
        found = [self._read(path.name) for path in (self.root / "entries").iterdir()]
        return sorted((e for e in found if e), key=lambda e: e.last_used, reverse=True)

    def prune(self, max_bytes: int | None = None, older_than_days: float | None = None) -> list[Entry]:
        """Removes what was not used for ``older_than_days``, then what was unused for longest until ``max_bytes`` hold.

        With neither, removes everything. Entries in use are left alone. Returns what was removed.
        """
        if max_bytes is None and older_than_days is None:
            max_bytes = 0
        entries = self.entries()
        total, removed = sum(e.bytes for e in entries), []
        for entry in reversed(entries):
            old = older_than_days is not None and entry.last_used < time.time() - older_than_days * 86400
            if (old or (max_bytes is not None and total > max_bytes)) and self._remove(entry.digest):
                total -= entry.bytes
                removed.append(entry)
        for path in (self.root / "building").iterdir():  # left by a run that was killed
            self._remove(path.name.partition(".")[0], path)
        return removed

    def why(self, what: str | CacheKey) -> tuple[Entry, list[Difference]] | None:
        """The entry nearest to ``what``, of the same stage, and how their keys differ; None where there is no other.

        ``what`` is a key that was missed, the beginning of an entry's digest, or a stage's name for its newest entry.
        Raises UsageError ``cache-unknown`` where no entry is meant.
        """
        entries = self.entries()
        if isinstance(what, CacheKey):
            digest, parts = what.digest, what.parts()
        else:
            meant = [e for e in entries if e.stage == what] or [e for e in entries if e.digest.startswith(what)]
            if not meant:
                stages = ", ".join(sorted({e.stage for e in entries})) or "none"
                raise UsageError("cache-unknown", f"the cache has no stage or entry {what!r}", where=str(self.root),
                                 cause=f"stages in the cache: {stages}", next="run `edgekit cache ls`")
            newest = max(meant, key=lambda e: e.created)
            digest, parts = newest.digest, newest.parts
        others = [(e, differences(e.parts, parts)) for e in entries
                  if e.stage == parts["stage"] and e.digest != digest]
        return min(others, key=lambda pair: (len(pair[1]), -pair[0].created), default=None)

    def close(self) -> None:
        """Lets go of all entries."""
        for digest in list(self._held):
            self._release(digest)

    def __enter__(self) -> StageCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _build(self, key: CacheKey, make: Callable[[Path], None]) -> Entry:
        digest, began = key.digest, time.monotonic()
        with disk_errors(f"the result of stage {key.stage}", self.root):
            building = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=self.root / "building"))
            building.chmod(0o755)
            try:
                (building / "files").mkdir()
                make(building / "files")
                files = files_under(building / "files")
                meta = {"schema": _SCHEMA, "key": key.parts(), "created": time.time(),
                        "seconds": time.monotonic() - began, "bytes": sum(f.stat().st_size for f in files),
                        "files": {f.relative_to(building / "files").as_posix(): sha256_of(f) for f in files}}
                (building / "meta.json").write_text(json.dumps(meta, indent=1, sort_keys=True), encoding="utf-8")
                os.replace(building, self.root / "entries" / digest)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        entry = self._read(digest)
        assert entry is not None  # we hold the exclusive lock
        return Entry(**{**vars(entry), "hit": False})

    def _read(self, digest: str, *, check: bool = False) -> Entry | None:
        """The entry of that name if it is there; with ``check`` a damaged one is removed, with a word."""
        path = self.root / "entries" / digest
        try:
            meta = json.loads((path / "meta.json").read_text(encoding="utf-8"))
            entry = Entry(digest, meta["key"]["stage"], path / "files", meta["key"], meta["bytes"], meta["seconds"],
                          meta["created"], (path / "meta.json").stat().st_mtime)
            sound = not check or _hashes(entry.folder) == meta["files"]
        except FileNotFoundError:
            if not path.exists():
                return None
            sound = False
        except (ValueError, KeyError, TypeError, NotADirectoryError):
            sound = False
        if sound:
            return entry
        if check:
            self._say(f"a cached result ({digest[:12]}) was damaged; it is made anew")
            shutil.rmtree(path, ignore_errors=True)
        return None

    def _remove(self, digest: str, path: Path | None = None) -> bool:
        """Removes an entry (or ``path``, which its lock guards) unless it is in use."""
        try:
            lock = self._lock(digest, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            shutil.rmtree(path or self.root / "entries" / digest, ignore_errors=True)
            (self.root / "locks" / digest).unlink(missing_ok=True)
        finally:
            os.close(lock)
        return True

    def _lock(self, digest: str, mode: int) -> int:
        """An open file that holds the lock. A lock file that someone removed meanwhile guards nothing: try again."""
        path = self.root / "locks" / digest
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(file, mode)
                if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _release(self, digest: str) -> None:
        with self._guard:
            lock = self._held.pop(digest, None)
        if lock is not None:
            os.close(lock)


def _hashes(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files_under(folder)}
