"""Apps that take a bundle: the sample app's own Gradle files, copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from workloads import Exported

from edgekit import api
from edgekit.yamlfile.shipped import shipped_folder

DEMO = shipped_folder("recipes").parent / "android_demo"
PARTS = ("settings.gradle.kts", "build.gradle.kts", "app/build.gradle.kts", "gradle/libs.versions.toml")


def copy_app(root: Path) -> Path:
    for part in PARTS:
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DEMO / part, root / part)
    return root


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return copy_app(tmp_path / "app")


@pytest.fixture(scope="session")
def bundled_app(exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a bundle of all formats; not to be changed."""
    root = copy_app(tmp_path_factory.mktemp("bundled"))
    api.bundle(exported.out, root)
    return root


@pytest.fixture
def out(exported: Exported, tmp_path: Path) -> Path:
    """A copy of the exported folder, to be spoilt."""
    return Path(shutil.copytree(exported.out, tmp_path / "out"))
