import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgekit.disk import cache_folder
from edgekit.errors import EnvironmentProblem, UsageError
from edgekit.pipeline.cache import StageCache
from edgekit.pipeline.cache_key import CacheKey, Difference, source_hash
from edgekit.types.scheme import SCHEMES


def key(stage="export:onnx", version="1", scheme="fp32", program="aa", tool="1.0"):
    settings = {"scheme": SCHEMES[scheme], "path": Path("x")}
    return CacheKey(stage, version, {"program": program}, settings, {"onnx": tool})


def writes(text, calls=None):
    def make(folder):
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text(text)
        if calls is not None:
            calls.append(text)
    return make


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    with StageCache(tmp_path / "cache", say=said.append) as cache:
        yield cache


def test_folder_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEKIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgekit"
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_every_part_of_the_key_counts():
    digests = {k.digest for k in (key(), key(stage="x"), key(version="2"), key(scheme="fp16"), key(program="bb"),
                                  key(tool="1.1"))}
    assert len(digests) == 6
    assert key().digest == key().digest
    assert CacheKey("s", "1", settings={"a": 1, "b": 2}).digest == CacheKey("s", "1", settings={"b": 2, "a": 1}).digest


def test_key_refuses_what_has_no_canonical_form():
    with pytest.raises(TypeError, match="object"):
        _ = CacheKey("s", "1", settings=object()).digest


def test_source_hash_is_stable():
    assert len(source_hash()) == 16


def test_miss_then_hit(cache):
    calls = []
    first = cache.fetch(key(), writes("one", calls))
    second = cache.fetch(key(), writes("two", calls))
    assert (first.hit, second.hit, calls) == (False, True, ["one"])
    assert (second.folder / "sub" / "file").read_text() == "one"
    assert second.bytes == 3
    assert second.parts["settings"]["scheme"]["name"] == "fp32"


def test_failed_build_leaves_nothing(cache):
    def make(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("no")
    with pytest.raises(RuntimeError, match="no"):
        cache.fetch(key(), make)
    assert cache.entries() == []
    assert list((cache.root / "building").iterdir()) == []
    assert not cache.fetch(key(), writes("x")).hit


@pytest.mark.parametrize("damage", ["content", "missing", "extra", "meta", "no meta"])
def test_damaged_entry_is_made_anew_with_a_word(cache, said, damage):
    entry = cache.fetch(key(), writes("good"))
    if damage == "content":
        (entry.folder / "sub" / "file").write_text("evil")
    elif damage == "missing":
        (entry.folder / "sub" / "file").unlink()
    elif damage == "extra":
        (entry.folder / "more").write_text("x")
    elif damage == "meta":
        (entry.folder.parent / "meta.json").write_text("{")
    else:
        (entry.folder.parent / "meta.json").unlink()
    again = cache.fetch(key(), writes("good again"))
    assert not again.hit
    assert (again.folder / "sub" / "file").read_text() == "good again"
    assert len(said) == 1
    assert "damaged" in said[0]


def _age(entry, days):
    when = time.time() - days * 86400
    os.utime(entry.folder.parent / "meta.json", (when, when))


def test_prune_by_size_takes_the_least_recently_used(cache):
    entries = [cache.fetch(key(program=str(i)), writes("x" * 100)) for i in range(4)]
    for i, entry in enumerate(entries):
        _age(entry, 10 - i)
    cache.fetch(key(program="0"), writes("unused"))  # the oldest is used again
    cache.close()
    removed = cache.prune(max_bytes=200)
    assert [e.digest for e in removed] == [entries[1].digest, entries[2].digest]
    assert {e.digest for e in cache.entries()} == {entries[0].digest, entries[3].digest}


def test_prune_by_age_and_everything(cache):
    old, new = cache.fetch(key(program="old"), writes("x")), cache.fetch(key(program="new"), writes("x"))
    _age(old, 40)
    cache.close()
    assert [e.digest for e in cache.prune(older_than_days=30)] == [old.digest]
    assert [e.digest for e in cache.prune()] == [new.digest]
    assert cache.entries() == []
    assert list((cache.root / "locks").iterdir()) == []


def test_entries_in_use_are_not_pruned(cache):
    held = cache.fetch(key(), writes("x"))
    with StageCache(cache.root) as other:
        assert other.prune() == []
        assert held.folder.exists()
        cache.close()
        assert len(other.prune()) == 1


def test_cap_is_held_when_entries_are_added(tmp_path):
    root = tmp_path / "cache"
    for i in range(5):
        with StageCache(root, max_bytes=250) as cache:
            cache.fetch(key(program=str(i)), writes("x" * 100))
    with StageCache(root) as cache:
        assert {e.parts["inputs"]["program"] for e in cache.entries()} == {"3", "4"}


def test_leftovers_of_a_killed_run_are_pruned(cache):
    left = cache.root / "building" / f"{key().digest}.abcd"
    left.mkdir()
    cache.prune(older_than_days=30)
    assert not left.exists()


def test_why_names_what_changed(cache):
    near = cache.fetch(key(), writes("x"))
    cache.fetch(key(program="zz", tool="0.9", scheme="fp16"), writes("x"))
    found = cache.why(key(tool="2.0"))
    assert found is not None
    assert found[0].digest == near.digest
    assert found[1] == [Difference("tools.onnx", "1.0", "2.0")]


def test_why_by_stage_and_by_digest(cache):
    first = cache.fetch(key(), writes("x"))
    assert cache.why("export:onnx") is None
    time.sleep(0.01)
    cache.fetch(key(program="bb"), writes("x"))
    for what in ("export:onnx", key(program="bb").digest[:10]):
        found = cache.why(what)
        assert found is not None
        assert (found[0].digest, found[1]) == (first.digest, [Difference("inputs.program", "aa", "bb")])
    with pytest.raises(UsageError) as info:
        cache.why("no-such-stage")
    assert "export:onnx" in info.value.cause




def test_concurrent_processes_make_an_entry_once(tmp_path):
    script = Path(__file__).with_name("cache_process.py")
    runs = [subprocess.Popen([sys.executable, str(script), str(tmp_path / "cache")], stdout=subprocess.PIPE, text=True)
            for _ in range(3)]
    outputs = sorted(run.communicate(timeout=60)[0].strip() for run in runs)
    assert outputs == ["hit made", "hit made", "made made"]


def test_threads_make_an_entry_once(cache):
    calls, entries = [], []

    def make(folder):
        time.sleep(0.2)
        writes("x", calls)(folder)
    threads = [threading.Thread(target=lambda: entries.append(cache.fetch(key(), make)),
                                daemon=True) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert calls == ["x"]
    assert sorted(e.hit for e in entries) == [False, *[True] * 11]
    cache.close()
    assert len(cache.prune()) == 1  # no lock is left behind


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem) as info:
        StageCache(tmp_path / "file" / "cache")
    assert info.value.code == "not-writable"
