"""What goes into an app: every file by its path in the bundle folder, and the document that the app reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit import __version__
from edgekit.bundle.app import DOCUMENT, App
from edgekit.bundle.output import Exported, Output
from edgekit.bundle.runtimes import RUNTIMES, AppRuntime, check_dtypes
from edgekit.errors import UsageError
from edgekit.types.app import ASSETS
from edgekit.types.bundle import AppBundle, BundledModel, Delivery, GoldenTensor, GoldenVector, RuntimePin
from edgekit.types.golden import InputFile, OutputFile, VectorFiles

__all__ = ["Contents", "contents_of"]

_PACK = "ai-pack"
_PACK_SCRIPT = """\
// Written by `edgekit bundle`: the model as a pack of its own, which Google Play installs with the app.
plugins {
    id("com.android.ai-pack")
}

aiPack {
    packName.set("models")
    dynamicDelivery {
        deliveryType.set("install-time")
    }
}
"""


@dataclass(frozen=True)
class Contents:
    """``files``: by path in the bundle folder, bytes or the file to copy."""

    bundle: AppBundle
    files: Mapping[str, bytes | Path]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by path."""
        return {name: len(content) if isinstance(content, bytes) else content.stat().st_size
                for name, content in self.files.items()}


def contents_of(output: Output, app: App, formats: Sequence[str], device: str | None, abis: tuple[str, ...],
                delivery: Delivery) -> Contents:
    """The same output folder, app and choices give the same bytes.

    Raises UsageError ``bundle-runtime-version`` or ``bundle-dtype`` where the app's runtime is not the artifact's.
    """
    files: dict[str, bytes | Path] = {}
    models = []
    for name in formats:
        runtime, exported = RUNTIMES[name], output.artifacts[name]
        models.append(_model(output, app, runtime, exported, device))
        source = output.folder / exported.report.artifact.path
        place = f"{_PACK}/src/main/assets" if delivery == "ai-pack" else runtime.flavor.name
        files[f"{place}/{runtime.flavor.asset}"] = source
        for vector in models[-1].golden:
            for tensor in (*vector.inputs, *vector.outputs):
                files[f"{runtime.flavor.name}/{tensor.file}"] = output.folder / "golden" / Path(tensor.file).name
    workload, recipe = output.facts.workload, output.facts.recipe
    bundle = AppBundle(
        name=workload.name, recipe=recipe.name, device=device, edgekit=__version__,
        delivery=delivery, abis=abis, labels=workload.labels, preprocess=workload.preprocess, models=tuple(models))
    text = json.dumps(bundle.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False, allow_nan=False)
    files[DOCUMENT] = f"{text}\n".encode()
    files["edgekit.properties"] = _properties(bundle)
    if delivery == "ai-pack":
        files[f"{_PACK}/build.gradle.kts"] = _PACK_SCRIPT.encode()
    return Contents(bundle, dict(sorted(files.items())))


def _model(output: Output, app: App, runtime: AppRuntime, exported: Exported, device: str | None) -> BundledModel:
    artifact, tools = exported.report.artifact, output.report.tools
    check_dtypes({spec.dtype for spec in (*artifact.inputs, *artifact.outputs)}, runtime,
                 str(output.folder / artifact.path))
    needed = tools.get(runtime.tool)
    if needed is None:
        raise UsageError("bundle-not-output", f"the report does not say which {runtime.tool} ran {artifact.path}",
                         where=str(output.folder / "report.json"), next="export the model again with this edgekit")
    return BundledModel(
        format=artifact.format, flavor=runtime.flavor.name, file=runtime.flavor.asset, sha256=artifact.sha256,
        bytes=artifact.bytes, scheme=artifact.scheme,
        runtime=RuntimePin(name=artifact.runtime, coordinate=app.pinned(runtime, needed)),
        exporter=dict(sorted(tools.items())), threads=output.facts.recipe.threads,
        inputs=artifact.inputs, outputs=artifact.outputs,
        golden=tuple(_vector(vector, output) for vector in exported.vectors),
        predicted=next((latency for latency in exported.report.latencies if latency.device == device), None))


def _vector(vector: VectorFiles, output: Output) -> GoldenVector:
    def tensor(of: InputFile) -> GoldenTensor:
        return GoldenTensor(file=f"{ASSETS}/golden/{of.file}", sha256=output.files[f"golden/{of.file}"], shape=of.shape,
                            dtype=of.dtype, tolerance=of.tolerance if isinstance(of, OutputFile) else None)

    return GoldenVector(inputs=tuple(map(tensor, vector.inputs)), outputs=tuple(map(tensor, vector.outputs)))


def _properties(bundle: AppBundle) -> bytes:
    """For Gradle, in Java's properties format; no value has a character that needs an escape after the first ``=``."""
    values = {"schema": "edgekit/properties/1", "delivery": bundle.delivery, "abis": ",".join(bundle.abis),
              "flavors": ",".join(sorted(model.flavor for model in bundle.models)),
              **{f"runtime.{model.flavor}": model.runtime.coordinate for model in bundle.models}}
    return "".join(f"{key}={value}\n" for key, value in sorted(values.items())).encode()
