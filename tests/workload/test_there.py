"""What can be told of a workload without loading it."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import WorkloadError
from edgekit.workload.there import check_there


def test_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("raise RuntimeError('imported')")
    for ref in ("net.py", "net", "net.inner", ".", "json.decoder", str(tmp_path)):
        check_there(ref, Path("net.py"))


@pytest.mark.parametrize(("ref", "said"), [("nte.py", "net.py"), ("nte", "net"), ("no/net.py", "no folder no"),
                                           ("not a name", None)])
def test_what_is_not(tmp_path, monkeypatch, ref, said):
    monkeypatch.chdir(tmp_path)
    Path("net.py").touch()
    with pytest.raises(WorkloadError) as caught:
        check_there(ref)
    assert caught.value.code == "workload-not-found"
    assert said is None or said in caught.value.cause


def test_missing_weights(tmp_path):
    with pytest.raises(WorkloadError, match="weight file"):
        check_there(str(tmp_path), tmp_path / "none.pth")


def test_looking_imports_no_torch():
    code = ("import sys; from edgekit.workload.there import check_there; check_there('json'); "
            "print('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
