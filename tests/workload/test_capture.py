import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.contracts import Workload
from edgekit.errors import ConversionError
from edgekit.workload.capture import capture
from edgekit.workload.hashing import calibration_hash, program_hash
from edgekit.workload.load import load_workload
from edgekit.workload.program_io import load_program, save_program

HERE = Path(__file__).name


def workload_of(module, *example, dynamic=False):
    outputs = module.eval()(*example)
    count = 1 if isinstance(outputs, torch.Tensor) else len(outputs)
    return Workload("net", Path(__file__), module, example, tuple(f"x{i}" for i in range(len(example))),
                    tuple(f"y{i}" for i in range(count)), dynamic_batch=dynamic)


def from_forward(forward, **attributes):
    # torch keeps the frames of functions of this name only
    forward.__code__ = forward.__code__.replace(co_name="forward")
    kind = type("Net", (nn.Module,), {"forward": forward})
    module = kind()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def test_a_program_computes_what_the_module_does_and_knows_where_from(write):
    file = write()
    workload = load_workload(str(file))
    program = capture(workload)
    image = torch.randn(1, 3, 8, 8)
    assert torch.allclose(program.exported.module()(image), workload.module(image), atol=1e-6)
    assert program.sources["conv2d"].module == "body.0"
    assert program.sources["linear"].module == "head"
    assert Path(program.sources["conv2d"].file).name == file.name
    assert program.sources["conv2d"].line == 12
    operators = [n for n in program.exported.graph.nodes if n.op == "call_function"]
    assert all(n.name in program.sources for n in operators)


def test_the_workload_stays_as_it_is(write):
    workload = load_workload(str(write()))
    before = {k: v.clone() for k, v in workload.module.state_dict().items()}
    capture(workload)
    assert all(torch.equal(before[k], v) for k, v in workload.module.state_dict().items())
    assert isinstance(workload.module.body[1], nn.BatchNorm2d)


@pytest.mark.parametrize("batch", [1, 2])
def test_dynamic_batch(batch):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    program = capture(workload_of(net, torch.randn(batch, 3, 8, 8), dynamic=True))
    module = program.exported.module()
    assert all(module(torch.randn(n, 3, 8, 8)).shape == (n, 2) for n in (1, 3, 7))


def test_structured_workloads_are_captured_flat(write):
    program = capture(load_workload(str(write("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(9, 4)
            def forward(self, ids, scale=None):
                return {"vectors": self.table(ids) * scale, "ids": (ids + 1, [ids * 2])}
        def load():
            return Net()
        def example_inputs():
            return {"ids": torch.arange(4)[None], "scale": torch.ones(1, 4, 1)}
        """, basic=False))))
    assert program.input_names == ("ids", "scale")
    assert program.output_names == ("vectors", "ids_0", "ids_1_0")
    assert [s.arg.name for s in program.exported.graph_signature.input_specs if s.kind.name == "USER_INPUT"] \
        == ["ids", "scale"]
    assert len(program.exported.module()(*program.example)) == 3
    assert program.sources["embedding"].module == "table"


def test_single_output_is_a_tensor_and_several_are_a_tuple():
    one = capture(workload_of(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), torch.ones(1, 2)))
    assert isinstance(one.exported.module()(torch.ones(1, 2)), torch.Tensor)


def item(self, x):
    return x * x.sum().item()


def branch(self, x):
    if x.sum() > 0:
        return x + 1
    return x - 1


def numpy(self, x):
    return torch.from_numpy(x.numpy() * 2)


def nonzero(self, x):
    return x[x > 0] * 2


def tolist(self, x):
    return x * max(x.flatten().tolist())


def pointer(self, x):
    return x + x.data_ptr() % 2


def fixed_batch(self, x):
    return x.view(2, 4)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(x.detach().numpy() ** 2)


@pytest.mark.parametrize(("forward", "codes", "text"), [
    (item, ("capture-item", "capture-data-dependent"), "x.sum().item()"),
    (branch, ("capture-data-dependent",), "if x.sum() > 0"),
    (numpy, ("capture-numpy",), "x.numpy()"),
    (nonzero, ("capture-dynamic-output",), "x[x > 0]"),
    (tolist, ("capture-item", "capture-data-dependent"), "tolist()"),
    (pointer, ("capture-storage",), "data_ptr()")])
def test_what_cannot_be_captured_is_named_with_its_line(forward, codes, text):
    with pytest.raises(ConversionError) as caught:
        capture(workload_of(from_forward(forward), torch.ones(1, 4)))
    error = caught.value
    assert error.code in codes
    assert error.exit_status == 3
    assert error.next
    lines = Path(__file__).read_text().splitlines()
    name, _, line = error.where.rpartition(":")
    assert Path(name).name == HERE
    assert text in lines[int(line) - 1]
    assert "Traceback" not in error.cause
    assert "site-packages" not in error.cause


def test_code_that_fixes_the_batch_is_named():
    with pytest.raises(ConversionError) as caught:
        capture(workload_of(from_forward(fixed_batch), torch.ones(2, 4), dynamic=True))
    assert caught.value.code == "capture-fixed-batch"


@pytest.mark.parametrize("forward", [lambda self, x: x.sub_(0.5) * 2, lambda self, x: x / torch.zeros_like(x) * 0])
def test_models_that_write_to_their_inputs_or_give_nan_are_captured_as_they_are(forward):
    module = from_forward(forward)
    program = capture(workload_of(module, torch.ones(1, 4)))
    inputs = torch.full((1, 4), 3.0)
    wanted = module(inputs.clone())
    torch.testing.assert_close(program.exported.module()(inputs.clone()), wanted, equal_nan=True)


@pytest.mark.parametrize("forward", [lambda self, x: x + torch.rand_like(x),
                                     lambda self, x: x + self.calls.add_(1)])
def test_random_and_stateful_models_are_refused(forward):
    with pytest.raises(ConversionError) as caught:
        capture(workload_of(from_forward(forward, calls=torch.zeros(1)), torch.ones(1, 4)))
    assert caught.value.code == "normalize-changed-outputs"


def test_round_trip_through_a_folder(write, tmp_path):
    program = capture(load_workload(str(write())))
    save_program(program, tmp_path / "program")
    loaded = load_program(tmp_path / "program")
    assert dict(loaded.sources) == dict(program.sources)
    assert (loaded.name, loaded.input_names, loaded.output_names, loaded.dynamic_batch) == (
        program.name, program.input_names, program.output_names, program.dynamic_batch)
    assert torch.equal(loaded.example[0], program.example[0])
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(loaded.exported.module()(image), program.exported.module()(image))
    stacks = [n.meta["nn_module_stack"] for n in loaded.exported.graph.nodes if n.name == "conv2d"]
    assert list(stacks[0].values())[-1][0] == "body.0"
    assert program_hash(loaded) == program_hash(program)


def test_a_dynamic_batch_survives_the_folder(tmp_path):
    program = capture(workload_of(nn.Linear(3, 2), torch.ones(1, 3), dynamic=True))
    save_program(program, tmp_path)
    assert load_program(tmp_path).exported.module()(torch.ones(5, 3)).shape == (5, 2)


@pytest.mark.parametrize("name", ["program.pt2", "program.json", "example.safetensors"])
def test_a_saved_program_that_is_not_whole(tmp_path, name):
    save_program(capture(workload_of(nn.Linear(3, 2), torch.ones(1, 3))), tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(ConversionError) as caught:
        load_program(tmp_path)
    assert caught.value.code == "program-not-readable"


def test_hashes_follow_graph_weights_and_shapes(write):
    def hashed(more="", shape=(1, 3, 8, 8)):
        workload = load_workload(str(write(f"{more}\ndef example_inputs():\n    return torch.zeros{shape}\n")))
        return program_hash(capture(workload))

    plain = hashed()
    assert hashed() == plain
    assert hashed("# a comment moves every line\n\n") == plain
    changed = [hashed("def load():\n    net = Net()\n    nn.init.zeros_(net.head.bias)\n    return net\n"),
               hashed(shape=(1, 3, 9, 9)),
               hashed("class Net(Net):\n    def forward(self, image):\n        return super().forward(image) * 2\n")]
    assert len({plain, *changed}) == 4


def test_hashes_are_the_same_in_another_process(write):
    file = write()
    code = ("import sys\nfrom edgekit.workload.load import load_workload\n"
            "from edgekit.workload.capture import capture\n"
            "from edgekit.workload.hashing import program_hash\n"
            "print(program_hash(capture(load_workload(sys.argv[1]))))")
    other = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert other.stdout.split()[-1] == program_hash(capture(load_workload(str(file))))


def test_calibration_hash():
    a, b = (torch.zeros(2),), (torch.ones(2),)
    assert calibration_hash([a, b]) == calibration_hash(((torch.zeros(2),), b))
    assert len({calibration_hash(x) for x in ([a, b], [b, a], [a], [(torch.zeros(1, 2),), b])}) == 4
