"""The device profiles that edgekit ships, and profiles from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from edgekit.devices.core import Core
from edgekit.devices.pipeline import Pipeline
from edgekit.devices.profile import Cluster, Device
from edgekit.errors import DeviceError, EdgekitError, RecipeError
from edgekit.yamlfile.nearest import choices_hint
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.source import YamlSource, read_yaml
from edgekit.yamlfile.validate import raise_problems, validated

__all__ = ["find_device", "get_core", "get_device", "get_pipeline", "json_schema", "known_devices", "list_cores",
           "list_devices", "load_core", "load_device", "load_devices", "load_pipeline", "load_pipelines"]

_P = TypeVar("_P", Device, Core, Pipeline)


def list_devices() -> dict[str, Path]:
    """The shipped profiles' files by id, unread."""
    return {path.stem: path for path in sorted(shipped_folder("device_profiles").glob("*.yaml"))}


@cache
def load_devices() -> dict[str, Device]:
    """All shipped profiles by id. Raises RecipeError where one is wrong."""
    return {id_: load_device(path) for id_, path in list_devices().items()}


class _Known(Mapping[str, tuple[str, ...]]):
    """Ids with the names of their processors; a profile is read when somebody asks for its processors."""

    def __init__(self) -> None:
        self._files = list_devices()

    def __getitem__(self, id_: str) -> tuple[str, ...]:
        return tuple(load_device(self._files[id_]).processors)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def known_devices() -> Mapping[str, tuple[str, ...]]:
    """Ids with the names of their processors: what a recipe's ``device`` and ``processor`` are checked against."""
    return _Known()


def get_device(id: str) -> Device:  # noqa: A002 - the profile's own key
    """The shipped profile with that id. Raises DeviceError with the nearest id."""
    return load_device(find_device(id))


def find_device(ref: str) -> Path:
    """The file of a shipped profile's id, or of a path that ends in .yaml. Raises DeviceError with the nearest id."""
    if Path(ref).suffix in (".yaml", ".yml"):
        if Path(ref).is_file():
            return Path(ref)
        raise DeviceError("device-unknown", f"there is no file {ref}", where=ref,
                          next="give a profile's file, or an id that `edgekit devices list` prints")
    shipped = list_devices()
    if ref not in shipped:
        raise DeviceError("device-unknown", f"there is no device '{ref}'",
                          next=f"{choices_hint(ref, shipped)}; `edgekit devices list` prints them all")
    return shipped[ref]


def load_device(path: Path) -> Device:
    """The profile in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    return _load(Device, path, _cluster_problems)


def _cluster_problems(device: Device, source: YamlSource) -> Iterator[EdgekitError]:
    """Clusters of cores that nobody described, or that are not in the order of their speed."""
    shipped = list_cores()
    for i, cluster in enumerate(device.clusters):
        at = ("clusters", i, "core")
        if cluster.core not in shipped:
            yield DeviceError("core-unknown", f"{'.'.join(map(str, at))}: there is no model of '{cluster.core}'",
                              where=source.where(at), next=choices_hint(cluster.core, shipped))
        elif i and device.clusters[i - 1].core in shipped and _speed(cluster) > _speed(device.clusters[i - 1]):
            yield RecipeError("value-wrong", f"clusters.{i}: {cluster.core} at {cluster.max_ghz:g} GHz is faster than "
                              "the cluster before it", where=source.where(("clusters", i)),
                              next="list the fastest cluster first: it is the one that models are measured on")


def _speed(cluster: Cluster) -> tuple[bool, float]:
    """What clusters are ordered by: out of order before in order, then the multiply-accumulates a nanosecond."""
    core = get_core(cluster.core)
    return core.out_of_order, core.macs_per_cycle.fp32 * cluster.max_ghz


def list_cores() -> dict[str, Path]:
    """The shipped cores' files by id, unread."""
    return {path.stem: path for path in sorted((shipped_folder("device_profiles") / "cores").glob("*.yaml"))}


@cache
def get_core(id: str) -> Core:  # noqa: A002 - the profile's own key
    """The core with that id. Raises DeviceError where there is no model of it."""
    shipped = list_cores()
    if id not in shipped:
        raise DeviceError("core-unknown", f"there is no model of the core '{id}'",
                          cause=f"there are {', '.join(shipped)}",
                          next=f"{choices_hint(id, shipped)}; or add device_profiles/cores/{id}.yaml")
    return load_core(shipped[id])


def load_core(path: Path) -> Core:
    """The core in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    return _load(Core, path, _pipeline_problems)


def _pipeline_problems(core: Core, source: YamlSource) -> Iterator[EdgekitError]:
    if core.pipeline not in (shipped := _pipelines()):
        yield DeviceError("pipeline-unknown", f"pipeline: there is no '{core.pipeline}'",
                          where=source.where(("pipeline",)), next=choices_hint(core.pipeline, shipped))
    elif core.out_of_order == (get_pipeline(core.pipeline).window is None):
        order = "out of order" if core.out_of_order else "in order"
        yield RecipeError("value-wrong", f"pipeline: the core is {order}, {core.pipeline} is not",
                          where=source.where(("pipeline",)), next="name the pipeline of a core that is alike")


def _pipelines() -> dict[str, Path]:
    return {path.stem: path for path in sorted((shipped_folder("device_profiles") / "pipelines").glob("*.yaml"))}


@cache
def get_pipeline(id: str) -> Pipeline:  # noqa: A002 - the profile's own key
    """The shipped pipeline with that id, which some core names."""
    return load_pipeline(_pipelines()[id])


def load_pipeline(path: Path) -> Pipeline:
    """The pipeline in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    return _load(Pipeline, path)


def load_pipelines() -> list[Pipeline]:
    """All shipped ones. Raises RecipeError where one is wrong."""
    return [load_pipeline(path) for path in _pipelines().values()]


def _load(kind: type[_P], path: Path,
          more_problems: Callable[[_P, YamlSource], Iterable[EdgekitError]] = lambda _, __: ()) -> _P:
    source = read_yaml(path)
    profile = validated(kind, source)
    if profile is not None:
        source.problems += more_problems(profile, source)
    if profile is not None and profile.id != path.stem:
        source.problems.append(RecipeError("value-wrong", f"id: the file is called '{path.stem}', not '{profile.id}'",
                                           where=source.where(("id",)), next="give file and profile one name"))
    raise_problems("profile", source)
    assert profile is not None  # no profile without a problem
    return profile


def json_schema(kind: type[Device] | type[Core] | type[Pipeline] = Device) -> dict[str, Any]:
    """JSON Schema (2020-12) of a device profile, a core or a pipeline, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **kind.model_json_schema()}
