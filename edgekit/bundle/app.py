"""The Android project that a bundle goes into: its parts, and the versions that it pins."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgekit.bundle.runtimes import AppRuntime
from edgekit.errors import UsageError
from edgekit.types.app import ASSETS
from edgekit.types.bundle import AppBundle

__all__ = ["DOCUMENT", "App", "read_app", "read_bundle"]

CATALOG = "gradle/libs.versions.toml"
DOCUMENT = f"main/{ASSETS}/bundle.json"
_PARTS = ("settings.gradle.kts", "app/build.gradle.kts", CATALOG)
_PROPERTIES = "bundle/edgekit.properties"


@dataclass(frozen=True)
class App:
    """``versions`` are the version catalog's; ``bundle`` is the folder that edgekit writes, and nobody else."""

    root: Path
    versions: dict[str, str]

    @property
    def bundle(self) -> Path:
        return self.root / "bundle"

    def pinned(self, runtime: AppRuntime, needed: str) -> str:
        """The coordinate of the app's own release of the library.

        Raises UsageError ``bundle-runtime-version`` where that is not the release that the artifact was compared with.
        """
        catalog, pinned = self.root / CATALOG, self.versions.get(runtime.pin)
        if pinned is None:
            raise UsageError("bundle-runtime-version", f"the app pins no version of {runtime.library}",
                             where=str(catalog), cause=f"[versions] has no key {runtime.pin}",
                             next=f'add {runtime.pin} = "{needed}" there')
        if not runtime.agrees(pinned, needed):
            raise UsageError("bundle-runtime-version", f"the app has {runtime.library} {pinned}, the artifact was made "
                             f"and compared with {needed}", where=f"{catalog}:{self._line(runtime.pin)}",
                             cause="another release computes, or reads the file, otherwise",
                             next=f'write {runtime.pin} = "{needed}" there, or export with {runtime.tool} {pinned}')
        return f"{runtime.library}:{pinned}"

    def _line(self, key: str) -> int:
        lines = (self.root / CATALOG).read_text(encoding="utf-8").splitlines()
        return next((n for n, line in enumerate(lines, 1) if line.split("=")[0].strip() == key), 1)


def read_app(root: Path) -> App:
    """Raises UsageError ``bundle-not-app`` for a folder that is not built like the sample app."""
    missing = [part for part in _PARTS if not (root / part).is_file()]
    if missing:
        raise _not_app(root, f"it has no {', '.join(missing)}")
    scripts = [root / "settings.gradle.kts", *root.glob("build.gradle.kts"), root / "app/build.gradle.kts"]
    if not any(_PROPERTIES in script.read_text(encoding="utf-8", errors="replace") for script in scripts):
        raise _not_app(root, f"its Gradle scripts do not read {_PROPERTIES}")
    catalog = root / CATALOG
    try:
        versions = dict(tomllib.loads(catalog.read_text(encoding="utf-8"))["versions"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise UsageError("bundle-not-app", f"{catalog} is no version catalog", where=str(catalog), cause=str(error),
                         next="mend it: it needs a table [versions]") from error
    return App(root, {key: value for key, value in versions.items() if isinstance(value, str)})


def read_bundle(app: App) -> AppBundle | None:
    """What an earlier command wrote; None where that cannot be read."""
    try:
        return AppBundle.model_validate_json((app.bundle / DOCUMENT).read_bytes())
    except (OSError, ValidationError):
        return None


def _not_app(root: Path, cause: str) -> UsageError:
    return UsageError("bundle-not-app", f"{root} is no app that takes a bundle", where=str(root),
                      cause=cause if root.is_dir() else "there is no such folder",
                      next="give the folder of android_demo, or of an app that was made from it")
