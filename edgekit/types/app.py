"""The sample app's own facts: what `edgekit bundle` fills and `edgekit measure --app` starts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASSETS", "FLAVORS", "MIN_API", "Flavor"]

ASSETS = "edgekit"  # the folder among the app's assets that has its bundle
MIN_API = 26  # its minSdk


@dataclass(frozen=True)
class Flavor:
    """The app's product flavor for a format. ``file``: the artifact, in an output folder and among the assets."""

    name: str
    file: str

    @property
    def package(self) -> str:
        return f"dev.edgekit.demo.{self.name}"

    @property
    def asset(self) -> str:
        return f"{ASSETS}/{self.file}"


FLAVORS = {"tflite": Flavor("litert", "model.tflite"), "executorch": Flavor("executorch", "model.pte"),
           "onnx": Flavor("onnx", "model.onnx")}
