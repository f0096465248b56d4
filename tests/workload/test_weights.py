import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgekit.errors import WorkloadError
from edgekit.workload.load import load_workload
from edgekit.workload.weights import load_weights


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def fails(net, file, code):
    with pytest.raises(WorkloadError) as caught:
        load_weights(net, file)
    assert caught.value.code == code
    assert caught.value.next
    return caught.value


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_weights_replace_those_of_load(tmp_path, net, suffix):
    state = {k: torch.randint(1, 9, v.shape).to(v.dtype) for k, v in net.state_dict().items()}
    file = tmp_path / f"w{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save({"state_dict": state, "epoch": 3}, file)
    load_weights(net, file)
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())


def test_weights_through_load_workload(write, tmp_path):
    file = write()
    state = {k: torch.full_like(v, 2) for k, v in load_workload(str(file)).module.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    assert load_workload(str(file), tmp_path / "w.safetensors").module.head.bias[0] == 2


def test_mismatches_are_listed(tmp_path, net):
    state = net.state_dict()
    del state["1.bias"]
    state["extra"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(3, 4)
    save_file(state, tmp_path / "w.safetensors")
    error = fails(net, tmp_path / "w.safetensors", "weights-mismatch")
    assert "1.bias" in error.cause
    assert "extra" in error.cause
    assert "0.weight: file [3, 4], model [3, 2]" in error.cause


def test_a_common_prefix_is_named(tmp_path, net):
    save_file({f"module.{k}": v for k, v in net.state_dict().items()}, tmp_path / "w.safetensors")
    assert "`module.`" in fails(net, tmp_path / "w.safetensors", "weights-mismatch").next


def test_tied_weights_may_be_stored_once(tmp_path):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    state = {k: torch.ones_like(v) for k, v in net.state_dict().items() if k != "1.weight"}
    save_file(state, tmp_path / "w.safetensors")
    load_weights(net, tmp_path / "w.safetensors")
    assert net[1].weight[0, 0] == 1


class Touch:
    """Runs code when unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("save", [torch.save, lambda o, f: f.write_bytes(pickle.dumps(o))])
def test_pickles_never_run(tmp_path, net, save):
    touched, file = tmp_path / "touched", tmp_path / "w.pth"
    save({"0.weight": Touch(touched)}, file)
    fails(net, file, "workload-pickled")
    assert not touched.exists()


def test_a_whole_pickled_module_is_refused_with_the_way_out(tmp_path, net):
    torch.save(net, tmp_path / "model.pt")
    error = fails(net, tmp_path / "model.pt", "workload-pickled")
    assert "torch.nn.modules.container.Sequential" in error.cause
    assert "safetensors" in error.next
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(tmp_path / "model.pt"))
    assert caught.value.code == "workload-pickled"


def test_torchscript_is_refused(tmp_path, net):
    torch.jit.script(net).save(tmp_path / "model.pt")
    assert "TorchScript" in fails(net, tmp_path / "model.pt", "workload-pickled").cause


def test_a_state_dict_alone_is_no_workload(tmp_path, net):
    torch.save(net.state_dict(), tmp_path / "w.pth")
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(tmp_path / "w.pth"))
    assert caught.value.code == "workload-no-module"
    assert "--weights" in caught.value.next


@pytest.mark.parametrize(("name", "content", "code"), [
    ("none.pth", None, "workload-not-found"), ("w.npy", b"x", "weights-unknown-type"),
    ("w.safetensors", b"\x09\0\0\0\0\0\0\0{}", "workload-broken-file"), ("w.pth", b"", "workload-broken-file")])
def test_files_that_are_no_weights(tmp_path, net, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    fails(net, tmp_path / name, code)


@pytest.mark.parametrize("stored", [{}, {"epoch": 3}, [torch.zeros(1)]])
def test_files_without_a_state_dict(tmp_path, net, stored):
    torch.save(stored, tmp_path / "w.pth")
    fails(net, tmp_path / "w.pth", "weights-no-state-dict")


def test_a_file_cut_short(tmp_path, net):
    torch.save(net.state_dict(), tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes()[:-200])
    fails(net, tmp_path / "w.pth", "workload-broken-file")


def test_a_file_of_something_else_is_damaged_not_dangerous(tmp_path, net):
    (tmp_path / "junk.pth").write_text("garbage in a text file\n")
    assert "torch.save" in fails(net, tmp_path / "junk.pth", "workload-broken-file").cause


def test_a_pickle_is_refused_as_a_workload(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(tmp_path / "m.pkl"))
    assert caught.value.code == "workload-pickled"
    assert "runs any code" in caught.value.cause
