from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from edgekit.cli import output
from edgekit.cli.failures import EXIT_STATUSES, as_error
from edgekit.cli.main import VERBS, cli, run
from edgekit.error_codes import CODES
from edgekit.errors import ConversionError, RecipeError

HEAVY = ("torch", "numpy", "pydantic", "ruamel.yaml", "rich", "litert_torch", "executorch", "onnx", "onnxruntime")



def failing(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    @click.command()
    @output.json_option
    def fail(as_json: bool) -> None:
        raise failure

    monkeypatch.setitem(VERBS, "explain", (f"{__name__}:fail", ""))
    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)


def test_help_and_a_wrong_verb_import_nothing_heavy() -> None:
    code = ("import sys\nfrom edgekit.cli.main import run\n"
            "for words in (['--help'], ['--version'], ['exprt'], ['explain', 'usage']):\n    run(words)\n"
            f"print([m for m in {HEAVY!r} if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(verb in done.stdout for verb in VERBS)


def test_importing_edgekit_imports_no_torch() -> None:
    code = "import sys, edgekit; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True
                          ).stdout.split() == ["False", "False"]


def test_every_verb_of_the_table_is_there_and_takes_json() -> None:
    context = click.Context(cli, info_name="edgekit")
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        assert command.name == verb
        for one in command.commands.values() if isinstance(command, click.Group) else [command]:
            assert any("--json" in p.opts for p in one.params), one.name


@pytest.mark.parametrize(("words", "said"), [
    (["exprt"], "'export'"),
    (["recipes", "lst"], "list"),
    (["recipes", "list", "--jsn"], "--json"),
    (["explain", "disk-ful"], "'disk-full'"),
    (["devices", "show", "pixel8"], "'pixel-8'"),
    (["recipes", "show"], "RECIPE"),
])
def test_wrong_usage_names_what_is_near(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(words)
    printed = capsys.readouterr()
    assert status == (4 if words[0] == "devices" else 2)
    assert printed.out == ""
    assert said in printed.err
    assert "next" in printed.err


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Verbs:" in capsys.readouterr().err


def test_an_error_as_text_and_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, ConversionError("converter-failed", "it broke [x]", where="m.py:3", cause="a\nb", next="try"))
    assert run(["explain"]) == 3
    text = capsys.readouterr().err
    assert text == ("error: it broke [x]  [converter-failed]\n  where  m.py:3\n  cause  a\n         b\n  next   try\n")
    assert run(["explain", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"schema": "edgekit/error/1", "error": {
        "code": "converter-failed", "message": "it broke [x]", "where": "m.py:3", "cause": "a\nb", "next": "try"}}


def test_every_problem_of_a_recipe_is_printed(monkeypatch: pytest.MonkeyPatch,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    problems = [RecipeError("key-unknown", f"no {i}", where=f"r.yaml:{i}:1", next="did you mean x?") for i in (1, 2)]
    failing(monkeypatch, RecipeError("recipe-invalid", "r.yaml has 2 mistakes", problems=problems))
    assert run(["explain", "--json"]) == 2
    printed = capsys.readouterr()
    assert "r.yaml:1:1: no 1  [key-unknown]" in printed.err
    assert "r.yaml:2:1: no 2  [key-unknown]" in printed.err
    assert [p["where"] for p in json.loads(printed.out)["error"]["problems"]] == ["r.yaml:1:1", "r.yaml:2:1"]


@pytest.mark.parametrize(("failure", "code", "status"), [
    (KeyboardInterrupt(), "interrupted", 130),
    (OSError(errno.ENOSPC, "No space left on device", "/x/model.pte"), "disk-full", 5),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), "file-access", 5),
    (MemoryError(), "out-of-memory", 5),
    (ModuleNotFoundError("No module named 'onnx'", name="onnx"), "package-missing", 5),
    (KeyError("x"), "internal", 5),
])
def test_every_failure_has_a_code_and_a_status(failure: BaseException, code: str, status: int,
                                               monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, failure)
    assert run(["explain", "--json"]) == status
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == code
    assert code in CODES
    assert status in EXIT_STATUSES
    assert "Traceback" not in printed.err


def test_the_traceback_is_printed_when_asked_for(monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyError("x"))
    monkeypatch.setenv("EDGEKIT_TRACEBACK", "1")
    assert run(["explain"]) == 5
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_part_of_edgekit_is_an_internal_error() -> None:
    assert as_error(ModuleNotFoundError("No module named 'edgekit.x'", name="edgekit.x")).code == "internal"


def test_with_json_only_the_document_reaches_standard_output(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(
        "import os, subprocess, sys, click\nfrom edgekit.cli.output import emit_json, json_option, stdout\n"
        "@click.command()\n@json_option\ndef verb(as_json):\n"
        "    print('python'); os.write(1, b'native\\n'); subprocess.run([sys.executable, '-c', 'print(\"child\")'])\n"
        "    stdout().print('rich')\n    emit_json('noisy', 1, {'a': 'ä'})\n    print('after')\n    return 1\n")
    code = ("from edgekit.cli.main import VERBS, main; VERBS['noisy'] = ('noisy:verb', ''); main()")
    done = subprocess.run([sys.executable, "-c", code, "noisy", "--json"], capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert json.loads(done.stdout) == {"schema": "edgekit/noisy/1", "a": "ä"}
    assert done.returncode == 1
    assert {b"python", b"native", b"child", b"rich", b"after"} <= set(done.stderr.split())


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        output.emit_json("x", 1, {"a": float("nan")})


def test_interrupt_ends_with_130(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, signal, time, click\n@click.command()\ndef verb():\n"
        "    os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n")
    code = "from edgekit.cli.main import VERBS, main; VERBS['slow'] = ('slow:verb', ''); main()"
    done = subprocess.run([sys.executable, "-c", code, "slow"], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr.strip()) == (130, "interrupted")
