"""Stand-ins for Android's ``am``, ``pm``, ``getprop``, ``pidof`` and ``logcat``, and for the sample app behind them.

They are scripts in /system/bin of an emulated phone (daemons.py), whose shell and tools are Android's. ``am start``
takes the benchmark's command line as the protocol has it, word for word, and starts a process, which puts the result
that the test made where the app would put it, under a temporary name first, or ends, or stays.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from daemons import Adbd

from edgekit.disk import sha256_of
from edgekit.formats.registry import get_format

__all__ = ["FLAVORS", "Phone", "answer"]

FLAVORS = {"tflite": "litert", "executorch": "executorch", "onnx": "onnx"}
_STATE, _RESULTS = "data/stand-in", "sdcard"
_SCRIPTS = {
    "pm": """
[ "$1 $#" = "path 2" ] || { echo "unknown command: $*" >&2; exit 255; }
grep -qx "$2" packages && echo "package:/data/app/~~Zm9v==/$2-YmFy==/base.apk"
""",
    "getprop": """
grep "^$1=" properties | cut -d = -f 2
""",
    "am": """
echo "$*" >> am.log
if [ "$1" = force-stop ]; then
    [ -f pid ] && kill $(cat pid) 2> /dev/null
    rm -f pid
    exit 0
fi
if [ -f refusal ]; then cat refusal; exit $(cat refusal-status); fi
want="start -W -n $4 --es id $7 --es model ${10} --es sha256 ${13} --ei warmup ${16} --ei runs ${19} --ei threads ${22}"
[ "$*" = "$want" ] || { echo "Error: unknown arguments: $*"; exit 1; }
package=${4%%/*}
grep -qx "$package" packages && [ "$4" = "$package/dev.edgekit.demo.BenchmarkActivity" ] \\
    || { echo "Error type 3"; echo "Error: Activity class {$4} does not exist."; exit 0; }
setsid stand-in-app "$package" "$7" > /dev/null 2>&1 < /dev/null &
echo $! > pid
echo "Starting: Intent { cmp=$4 (has extras) }"; echo "Status: ok"; echo "LaunchState: COLD"; echo "Complete"
""",
    "stand-in-app": """
folder=/sdcard/Android/data/$1/files/edgekit
mkdir -p $folder
sleep 1
if [ -f result ]; then
    sed "s/@ID@/$2/" result > $folder/$2.json.tmp
    mv $folder/$2.json.tmp $folder/$2.json
fi
if [ -f stays ]; then exec sleep 600; fi
""",
    "pidof": """
[ "$#" = 1 ] && [ -f pid ] && kill -0 $(cat pid) 2> /dev/null && cat pid
""",
    "logcat": """
[ "$1 $2 $3 $4" = "-d -v raw -T" ] || exit 1
case "$5" in [01][0-9]-[0-3][0-9]\\ [0-2][0-9]:[0-5][0-9]:[0-6][0-9].000);; *) exit 1;; esac
case "$6 $7" in "-b crash") cat crash;; "-s edgekit:E") cat errors;; *) exit 1;; esac
""",
}


@dataclass(frozen=True)
class Phone:
    """An emulated phone with the stand-ins."""

    adbd: Adbd

    @property
    def on(self) -> str:
        return f"adb:{self.adbd.serial}"

    def set_up(self, result: Mapping[str, Any] | str | None, *, installed: bool = True, stays: bool = True,
               refusal: tuple[str, int] | None = None, crash: str = "", errors: str = "",
               properties: Mapping[str, str] | None = None) -> None:
        """What the next benchmark finds: the app's result (``@ID@`` becomes the run's), whether its process stays.

        ``refusal`` is what ``am`` says and its exit status; ``crash`` the crash log, ``errors`` what the app logged.
        """
        root = self.adbd.machine.root
        state, programs = root / _STATE, root / "system/bin"
        for folder in (state, root / _RESULTS):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for name, text in _SCRIPTS.items():
            (programs / name).unlink(missing_ok=True)  # pidof is a link to toybox, which has more names
            (programs / name).write_text(f"#!/system/bin/sh\ncd /{_STATE}\n{text}")
            (programs / name).chmod(0o755)
        packages = [f"dev.edgekit.demo.{flavor}\n" for flavor in FLAVORS.values()] if installed else []
        told = {"ro.build.version.sdk": "34", **(properties or {})}
        files = {"packages": "".join(packages), "properties": "".join(f"{k}={v}\n" for k, v in told.items()),
                 "crash": crash, "errors": errors}
        if result is not None:
            files["result"] = result if isinstance(result, str) else json.dumps(result)
        if stays:
            files["stays"] = ""
        if refusal:
            files["refusal"], files["refusal-status"] = refusal[0], str(refusal[1])
        for name, text in files.items():
            (state / name).write_text(text)

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every ``am``."""
        log = self.adbd.machine.root / _STATE / "am.log"
        return [line.split() for line in log.read_text().splitlines()]

    @property
    def left(self) -> list[Path]:
        """The files that lie in the app's folders."""
        return [path for path in (self.adbd.machine.root / _RESULTS).rglob("*") if path.is_file()]


def answer(artifact: Path, format_name: str, *, emulated: bool, runs: int = 3) -> dict[str, Any]:
    """A whole result: this machine's outputs for the first golden vector, and made-up times."""
    folder = artifact.parent / "golden"
    vector = json.loads((folder / "golden.json").read_text())["formats"][format_name]["vectors"][0]
    inputs = [np.fromfile(folder / v["file"], v["dtype"]).reshape(v["shape"]) for v in vector["inputs"]]
    outputs = get_format(format_name).load(artifact).run(inputs)
    return {
        "schema": "edgekit/app-result/1", "id": "@ID@", "status": "ok", "error": None,
        "model": {"file": f"edgekit/model{artifact.suffix}", "format": format_name, "sha256": sha256_of(artifact)},
        "runtime": f"{FLAVORS[format_name]} 1.2.3", "threads": 1, "warmup": 1, "runs": runs, "load_ns": 5_000_000,
        "times_ns": [1_000_000 * (k + 1) for k in range(runs)], "peak_rss_bytes": 90 * 2**20,
        "golden": [{"max_abs": 0, "tolerance": v["outputs"][0]["tolerance"], "pass": True} for v in [vector] * 2],
        "outputs": [{"shape": list(o.shape), "dtype": str(o.dtype), "base64": base64.b64encode(o.tobytes()).decode()}
                    for o in outputs],
        "device": {"manufacturer": "Google", "model": "Pixel 8", "soc": "Tensor G3", "sdk": 34, "abis": ["arm64-v8a"],
                   "emulated": emulated, "thermal_status": 0},
        "app": {"package": f"dev.edgekit.demo.{FLAVORS[format_name]}", "version": "0.1.0"}}
