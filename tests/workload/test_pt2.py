"""A .pt2 as workload, and crafted ones that would touch a file if any of their code ran."""

import io
import json
import pickle
import zipfile

import pytest
import torch
from torch import nn
from torch.export import Dim, export, save

from edgekit.errors import WorkloadError
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout())
        self.register_buffer("scale", torch.ones(4, 1, 1))

    def forward(self, image):
        return self.body(image) * self.scale


IMAGE = torch.randn(2, 3, 8, 8)


@pytest.fixture
def pt2(tmp_path):
    file = tmp_path / "model.pt2"
    save(export(Net().eval(), (IMAGE,)), file)
    return file


def fails(file, code):
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(file))
    assert caught.value.code == code
    assert caught.value.next
    return caught.value


def rewrite(file, change):
    """Rewrites the archive: ``change`` takes and gives a dict from member names (without the archive's) to bytes."""
    with zipfile.ZipFile(file) as archive:
        root = archive.namelist()[0].split("/")[0]
        members = {n.partition("/")[2]: archive.read(n) for n in archive.namelist()}
    change(members)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{root}/{name}", data)


def test_a_pt2_is_a_workload(pt2):
    workload = load_workload(str(pt2))
    assert workload.name == "model"
    assert workload.input_names == ("image",)
    assert workload.output_names == ("output",)
    assert not workload.dynamic_batch
    assert torch.equal(workload.example[0], IMAGE)
    program = capture(workload)
    assert program.sources["conv2d"].module == "body.0"
    assert program.sources["conv2d"].file.endswith("test_pt2.py")


def test_keyword_inputs_and_named_outputs(tmp_path):
    class Pair(nn.Module):
        def forward(self, a, *, scale):
            return {"sum": a + scale, "rest": [a * 2]}

    file = tmp_path / "pair.pt2"
    save(export(Pair(), (torch.ones(1, 2),), {"scale": torch.full((1, 2), 3.0)}), file)
    workload = load_workload(str(file))
    assert workload.input_names == ("a", "scale")
    assert workload.output_names == ("sum", "rest_0")
    assert [o.tolist() for o in workload.module(*workload.example)] == [[[4, 4]], [[2, 2]]]
    assert len(capture(workload).exported.graph_signature.user_outputs) == 2


def test_a_dynamic_batch_is_kept_and_other_dimensions_are_fixed(tmp_path):
    save(export(Net().eval(), (IMAGE,), dynamic_shapes=({0: Dim("n", max=64)},)), tmp_path / "batch.pt2")
    workload = load_workload(str(tmp_path / "batch.pt2"))
    assert workload.dynamic_batch
    assert capture(workload).exported.module()(torch.randn(5, 3, 8, 8)).shape[0] == 5
    save(export(Net().eval(), (IMAGE,), dynamic_shapes=({2: 2 * Dim("h", min=2, max=32)},)), tmp_path / "size.pt2")
    workload = load_workload(str(tmp_path / "size.pt2"))
    assert not workload.dynamic_batch
    assert "image[2]" in workload.warnings[0]


def test_training_mode_is_refused(tmp_path):
    save(export(Net().train(), (IMAGE,)), tmp_path / "model.pt2")
    assert "eval()" in fails(tmp_path / "model.pt2", "workload-training-mode").next


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_broken_archives(pt2, content):
    pt2.write_bytes(pt2.read_bytes()[:-400] if content is None else content)
    fails(pt2, "workload-broken-file")


def test_a_damaged_member(pt2):
    data = bytearray(pt2.read_bytes())
    data[data.index(b'"graph_module"') + 3] ^= 0xFF
    pt2.write_bytes(bytes(data))
    fails(pt2, "workload-broken-file")


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt2", "w") as archive:
        archive.writestr("readme.txt", "hello")
    fails(tmp_path / "x.pt2", "workload-broken-file")


class Touch:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def torch_pickled(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _config(members, kind, fqn, **entry):
    name = f"data/{kind}/model_{kind}_config.json"
    config = json.loads(members[name])
    config["config"][fqn] = {"is_param": False, "use_pickle": True, "tensor_meta": None, **entry}
    members[name] = json.dumps(config).encode()


def _sample_inputs(members, evil):
    members["data/sample_inputs/model.pt"] = torch_pickled(((evil,), {}))


def _sample_inputs_protocol_0(members, evil):
    members["data/sample_inputs/model.pt"] = pickle.dumps(((evil,), {}), protocol=0)


def _pickled_weight(members, evil):
    members["data/weights/weight_99"] = torch_pickled(evil)
    _config(members, "weights", "body.0.bias", path_name="weight_99")


def _weight_said_raw_and_pickled(members, evil):
    members["data/weights/weight_99"] = torch_pickled(evil)
    _config(members, "weights", "body.0.bias", path_name="weight_99")
    _config(members, "weights", "other", path_name="weight_99", use_pickle=False)


def _legacy_weights(members, evil):
    members["data/weights/model.pt"] = torch_pickled({"body.0.weight": evil})
    _config(members, "weights", "other", path_name="model.pt", use_pickle=False)


def _legacy_constants(members, evil):
    members["data/constants/model.pt"] = torch_pickled({"x": evil})


def _pickled_constant(members, evil):
    members["data/constants/tensor_9"] = torch_pickled(evil)
    _config(members, "constants", "x", path_name="tensor_9")


def _opaque_object(members, evil):
    members["data/constants/opaque_obj_0"] = pickle.dumps(evil)
    _config(members, "constants", "x", path_name="opaque_obj_0")


def _custom_object(members, evil):
    members["data/constants/custom_obj_0"] = b"PK\x03\x04"
    _config(members, "constants", "x", path_name="custom_obj_0")


def _outside_its_folder(members, evil):
    members["data/sample_inputs/more.pt"] = torch_pickled(evil)
    _config(members, "weights", "body.0.bias", path_name="../sample_inputs/more.pt", use_pickle=False)


def _native_code(members, evil):
    members["data/aotinductor/model/run.so"] = b"\x7fELF"


def _graph(change):
    def edit(members, evil):
        text = members["models/model.json"].decode()
        document = json.loads(text)
        change(document, str(evil.file))
        members["models/model.json"] = json.dumps(document).encode()
    edit.__name__ = change.__name__
    return edit


@_graph
def _calls_a_function(document, path):
    node = document["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.os.system"
    node["inputs"] = [{"name": "", "arg": {"as_string": f"touch {path}"}, "kind": 1}]


@_graph
def _calls_an_operator_on_files(document, path):
    document["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


@_graph
def _name_that_is_code(document, path):
    graph = document["graph_module"]["graph"]
    graph["inputs"][-1]["as_tensor"]["name"] = f"x=open({path!r},'w')"


@_graph
def _argument_name_that_is_code(document, path):
    spec = json.loads(document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"])
    spec[1]["children_spec"][1]["context"] = json.dumps([f"x=open({path!r},'w')"])
    document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(spec)


@_graph
def _expression_that_is_code(document, path):
    values = document["graph_module"]["graph"]["tensor_values"]
    sizes = next(iter(values.values()))["sizes"]
    sizes[0] = {"as_expr": {"expr_str": f"open({path!r}, 'w').name", "hint": None}}


@_graph
def _expression_with_attributes(document, path):
    values = document["graph_module"]["graph"]["tensor_values"]
    next(iter(values.values()))["sizes"][0] = {"as_expr": {"expr_str": "Max.__class__", "hint": None}}


@_graph
def _imported_factory(document, path):
    spec = json.dumps([1, {"type": "collections.defaultdict", "children_spec": [], "context": json.dumps(
        {"default_factory_module": "os", "default_factory_name": "system", "dict_context": []})}])
    document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = spec


@_graph
def _imported_enum(document, path):
    spec = json.dumps([1, {"type": "builtins.dict", "children_spec": [],
                           "context": json.dumps([{"__enum__": True, "fqn": "antigravity:X", "name": "x"}])}])
    document["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = spec


ATTACKS = [
    _sample_inputs, _sample_inputs_protocol_0, _pickled_weight, _weight_said_raw_and_pickled, _legacy_weights,
    _legacy_constants, _pickled_constant, _opaque_object, _custom_object, _outside_its_folder, _native_code,
    _calls_a_function, _calls_an_operator_on_files, _name_that_is_code, _argument_name_that_is_code,
    _expression_that_is_code, _expression_with_attributes, _imported_factory, _imported_enum]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__.strip("_"))
def test_crafted_files_are_refused_before_anything_runs(pt2, tmp_path, attack):
    touched = tmp_path / "touched"
    rewrite(pt2, lambda members: attack(members, Touch(touched)))
    error = fails(pt2, "workload-unsafe-pt2")
    assert not touched.exists()
    assert ":" in error.where


def test_an_attack_that_torch_itself_would_run(pt2, tmp_path):
    """That the crafted files are real: torch's own loader runs the code of one of them."""
    rewrite(pt2, lambda members: _pickled_weight(members, Touch(tmp_path / "touched")))
    with pytest.raises(Exception, match="not an instance"):
        torch.export.load(pt2)
    assert (tmp_path / "touched").exists()


def test_a_member_that_is_there_twice(pt2):
    with zipfile.ZipFile(pt2, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], b"again")
    fails(pt2, "workload-unsafe-pt2")


LEGACY = ["serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt",
          "serialized_state_dict.json"]


def legacy(file, replace=None):
    """Writes the layout of torch <= 2.7: members at the top of the archive."""
    from torch._export.serde.serialize import serialize
    artifact = serialize(export(Net().eval(), (IMAGE,)))
    members = {"version": "8.14", "serialized_exported_program.json": artifact.exported_program,
               "serialized_state_dict.pt": artifact.state_dict, "serialized_constants.pt": artifact.constants,
               "serialized_example_inputs.pt": artifact.example_inputs, **(replace or {})}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_the_old_layout_loads(tmp_path):
    legacy(tmp_path / "old.pt2")
    assert load_workload(str(tmp_path / "old.pt2")).input_names == ("image",)


@pytest.mark.parametrize("member", LEGACY)
@pytest.mark.parametrize("make", [torch_pickled, pickle.dumps, lambda v: pickle.dumps(v, protocol=0)],
                         ids=["torch", "pickle", "protocol0"])
def test_crafted_files_in_the_old_layout(tmp_path, member, make):
    legacy(tmp_path / "old.pt2", {member: make({"x": Touch(tmp_path / "touched")})})
    fails(tmp_path / "old.pt2", "workload-unsafe-pt2")
    assert not (tmp_path / "touched").exists()
