"""What the compiled app refers to is there: in itself, in Android from level 26 on, and in the runtimes' libraries."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from compile_check import CI, DEMO, FLAVORS, Built, built, fetched, run
from dex import Member, read_apk
from platform_api import PlatformApi

__all__ = ["built"]  # a fixture
pytestmark = pytest.mark.slow

_OLDEST = 26
_PLATFORM = ("android/", "java/", "javax/", "org/json/")
# Members that are newer than the oldest Android: their level, and the source line that asks for it first.
_GUARDED = {"android.os.Build.SOC_MODEL": (31, "Device.kt", "Build.SOC_MODEL"),
            "android.os.PowerManager.getCurrentThermalStatus()I": (29, "Device.kt", "currentThermalStatus")}


@pytest.fixture(scope="module")
def api() -> PlatformApi:
    return PlatformApi(fetched("android-api") / "platform.d.ts")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_every_class_is_somewhere(built: Built, flavor: str) -> None:
    dex = read_apk(built.apk(flavor))
    here = dex.defined.union(*(_classes(jar) for jar in _library(built)))
    allowed = {name.replace(".", "/") for name in _allowed(flavor)}
    assert dex.referenced - here - allowed == set()
    # And the reader missed none: Android's own tool lists the same classes.
    listed = re.findall(r"Class descriptor  : 'L(.+);'", run("dexdump", built.apk(flavor)).stdout)
    assert set(listed) == dex.defined


@pytest.mark.parametrize("flavor", FLAVORS)
def test_every_member_is_in_android(built: Built, api: PlatformApi, flavor: str) -> None:
    dex = read_apk(built.apk(flavor))
    used = {member for member in dex.members if member.owner.startswith(_PLATFORM) and member.owner not in dex.defined}
    assert len(used) > 100
    levels = {str(member): api.level(member) for member in used}
    assert [name for name, level in levels.items() if level is None] == []
    newer = {name: level for name, level in levels.items() if level and level > _OLDEST}
    assert newer == {name: level for name, (level, _, _) in _GUARDED.items()}


def test_newer_members_are_asked_for_first() -> None:
    for level, file, use in _GUARDED.values():
        (source,) = (DEMO / "app/src").rglob(file)
        lines = [line for line in source.read_text().splitlines() if use in line]
        assert lines
        assert all(re.search(rf"SDK_INT >= {level}\b.*{re.escape(use)}", line) for line in lines)


def test_the_declarations_know_wrong_members(api: PlatformApi) -> None:
    """A stub with a wrong name, parameter, result or level would be seen."""
    def level(name: str, parameters: tuple[str, ...] | None, kind: str,
              owner: str = "android/app/Activity") -> int | None:
        return api.level(Member(owner, name, parameters, kind))

    assert level("setContentView", ("I",), "V") == 0
    assert level("getSystemService", ("Ljava/lang/String;",), "Ljava/lang/Object;") == 0  # inherited
    assert level("setContentViews", ("I",), "V") is None
    assert level("setContentView", (), "V") is None
    assert level("setContentView", ("Z",), "V") is None
    assert level("setContentView", ("I",), "I") is None
    assert level("repeat", ("I",), "Ljava/lang/String;", "java/lang/String") == 33
    assert level("SOC_MODEL", None, "Ljava/lang/String;", "android/os/Build") == 31
    assert level("SOC_MODEL", None, "I", "android/os/Build") is None


def test_the_adapter_for_executorch_links(built: Built) -> None:
    """Every member of org.pytorch that the compiled adapter refers to, against ExecuTorch's own classes."""
    jar = fetched("executorch") / "classes.jar"
    used = _references(built.work / "executorch/app.jar", "org/pytorch/")
    assert any("Module.forward:" in member for member in used)
    there = {owner: _declared(jar, owner) for owner in {member.split(".")[0] for member in used}}
    inherited = {"ordinal:()I", "name:()Ljava/lang/String;"}  # of java.lang.Enum
    assert [member for member in sorted(used)
            if member.split(".", 1)[1] not in there[member.split(".")[0]] | inherited] == []


@pytest.mark.parametrize(("flavor", "package"), [("litert", "com/google/ai/edge/litert/"), ("onnx", "ai/onnxruntime/")])
def test_members_of_stubs_are_those_of_the_list(built: Built, flavor: str, package: str) -> None:
    """Of a list kept by hand, which says where each was read: a member that is new or no longer used stops here."""
    table = Path(__file__).with_name("runtime_members.txt").read_text().splitlines()
    read = {line for line in table if line.startswith(package)}
    assert _references(built.work / flavor / "app.jar", package) == read


def test_rules_and_lists_hide_nothing() -> None:
    """No wildcard and no blanket switch stands between R8 and a class that is missing."""
    for rules in (*CI.glob("*.pro"), DEMO / "app/proguard-rules.pro"):
        assert not re.search(r"-ignorewarnings|-dontwarn|-dontnote", rules.read_text())
    for flavor in FLAVORS:
        assert all(re.fullmatch(r"[\w.$]+", name) for name in _allowed(flavor))


def _library(built: Built) -> tuple[Path, ...]:
    return built.work / "android.jar", built.work / "java-api.jar", Path("/usr/share/java/json-android.jar")


def _classes(jar: Path) -> set[str]:
    with zipfile.ZipFile(jar) as classes:
        return {name.removesuffix(".class") for name in classes.namelist() if name.endswith(".class")}


def _allowed(flavor: str) -> set[str]:
    lines = (CI / f"allowed-missing/{flavor}.txt").read_text().splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def _references(jar: Path, package: str) -> set[str]:
    """Members of a package that a jar's classes refer to, as OWNER.NAME:DESCRIPTOR."""
    classes = [name.replace("/", ".") for name in sorted(_classes(jar))]
    said = run("javap", "-v", "-p", "-cp", jar, *classes).stdout
    found = re.findall(r"= (?:InterfaceMethod|Method|Field)ref +\S+ +// +(\S+)", said)
    return {member.replace('"', "") for member in found if member.startswith(package)}


def _declared(jar: Path, owner: str) -> set[str]:
    """A class's members as NAME:DESCRIPTOR, by javap; private ones are left out."""
    said = run("javap", "-s", "-protected", "-cp", jar, owner.replace("/", ".")).stdout
    simple = owner.replace("/", ".")
    pairs = re.findall(r"^  (.+?);\n    descriptor: (\S+)$", said, re.MULTILINE)
    named = ((re.sub(r"\(.*", "", line).split()[-1], descriptor) for line, descriptor in pairs)
    return {f"{'<init>' if name == simple else name}:{descriptor}" for name, descriptor in named}
