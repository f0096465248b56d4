from pathlib import Path

import pytest
import torch

from edgekit.errors import WorkloadError
from edgekit.verify.predictor import float_predictor
from edgekit.workload.load import load_workload


def fails(ref, code):
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(ref))
    assert caught.value.code == code
    assert caught.value.next
    return caught.value


def line(file: Path, text: str) -> str:
    lines = file.read_text().splitlines()
    return f"{file}:{next(i for i, row in enumerate(lines, 1) if text in row)}"


def test_what_a_plain_workload_gives(write):
    workload = load_workload(str(write()))
    assert workload.name == "model"
    assert workload.input_names == ("image",)
    assert workload.output_names == ("output",)
    assert not workload.module.training
    assert not any(m.training for m in workload.module.modules())
    assert workload.calibration is None
    assert workload.evaluate is None
    assert workload.warnings == []
    assert workload.module(*workload.example).shape == (1, 2)


def test_all_optional_functions(write):
    workload = load_workload(str(write("""
        METRIC = {"name": "top-1", "unit": "%", "higher_is_better": True}
        def calibration():
            for _ in range(3):
                yield torch.ones(1, 3, 8, 8)
        def evaluate(predict):
            return predict(torch.zeros(5, 3, 8, 8)).shape[0]
        def train_data():
            yield torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.long)
        def loss(outputs, target):
            return outputs.sum()
        def labels():
            return ["cat", "dog"]
        def dynamic_shapes():
            return ({0: torch.export.Dim("batch")},)
        def preprocess():
            return {"resize": (8, 8), "mean": [0.5], "std": [0.5], "color": "bgr"}
        """)))
    assert len(list(workload.calibration())) == 3
    assert workload.evaluate(workload.module) == 5.0
    assert workload.metric.higher_is_better
    inputs, target = next(iter(workload.train_data()))
    assert inputs[0].shape == (4, 3, 8, 8)
    assert workload.loss(workload.module(*inputs), target).ndim == 0
    assert workload.labels == ["cat", "dog"]
    assert workload.dynamic_batch
    assert workload.preprocess["color"] == "bgr"
    assert workload.preprocess["resize"] == [8, 8]


def test_package_module(write, tmp_path, monkeypatch):
    (tmp_path / "shop_of_nets").mkdir()
    write(name="shop_of_nets/plain.py")
    (tmp_path / "shop_of_nets" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    assert load_workload("shop_of_nets.plain").name == "plain"


def test_modules_beside_the_file_can_be_imported(write, tmp_path):
    (tmp_path / "beside_the_workload.py").write_text("WIDTH = 3\n")
    file = write("""
        from beside_the_workload import WIDTH
        def load():
            return nn.Linear(WIDTH, WIDTH)
        def example_inputs():
            return torch.zeros(1, WIDTH)
        """, basic=False)
    assert load_workload(str(file)).input_names == ("input",)


# What users' forward() takes and gives, and how it looks from outside.
STRUCTURES = {
    "dict inputs, dict outputs": (
        "def forward(self, ids, mask=None): return {'sum': ids.float() * mask, 'both': (mask, ids)}",
        "{'mask': torch.ones(1, 4), 'ids': torch.arange(4)[None]}",
        ("ids", "mask"), ("sum", "both_0", "both_1")),
    "two inputs, tuple outputs": (
        "def forward(self, a, b): return a + b, a * b",
        "(torch.ones(1, 2), torch.ones(1, 2))", ("a", "b"), ("output_0", "output_1")),
    "list outputs": (
        "def forward(self, a): return [a, [a + 1]]", "torch.ones(1, 2)", ("a",), ("output_0", "output_1_0")),
    "star arguments": (
        "def forward(self, *xs): return xs[0] + xs[1]", "[torch.ones(1), torch.ones(1)]",
        ("input_0", "input_1"), ("output",)),
    "single-key dict": ("def forward(self, a): return {'logits': a}", "torch.ones(1, 2)", ("a",), ("logits",)),
    "None left out": ("def forward(self, a): return {'x': a, 'y': None}", "torch.ones(1, 2)", ("a",), ("x",)),
    "names that **kwargs take": (
        "def forward(self, a, **more): return a + more['b']", "{'b': torch.ones(1), 'a': torch.ones(1)}", ("b", "a"),
        ("output",)),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_structures_become_flat(write, case):
    forward, example, inputs, outputs = STRUCTURES[case]
    workload = load_workload(str(write(f"""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Identity()
            {forward}
        def load():
            return Net()
        def example_inputs():
            return {example}
        """, basic=False)))
    assert workload.input_names == inputs
    assert workload.output_names == outputs
    got = workload.module(*workload.example)
    assert isinstance(got, torch.Tensor) if len(outputs) == 1 else len(got) == len(outputs)
    assert [n for n, _ in workload.module.named_modules()] == ["", "inner"]


def test_evaluate_and_loss_see_the_users_own_structure(write):
    workload = load_workload(str(write("""
        METRIC = {"name": "m", "unit": "", "higher_is_better": True}
        class Net(nn.Module):
            def forward(self, ids, mask):
                return {"a": ids * mask, "b": mask}
        def load():
            return Net()
        def example_inputs():
            return {"ids": torch.ones(1, 2), "mask": torch.ones(1, 2)}
        def evaluate(predict):
            x = torch.full((1, 2), 3.0)
            by_name = predict(ids=x, mask=x)["a"]
            return (by_name + predict(x, mask=x)["a"] + predict({"ids": x, "mask": x})["a"]).sum()
        def loss(outputs, target):
            return outputs["a"].sum() + outputs["b"].sum()
        """, basic=False)))
    assert workload.evaluate(workload.module) == 54
    assert workload.loss(workload.module(*workload.example), None) == 4


def test_a_file_that_raises_on_import(write):
    file = write("""
        def broken():
            return 1 / 0
        broken()
        """)
    error = fails(file, "workload-import-failed")
    assert error.where == line(file, "1 / 0")
    assert "ZeroDivisionError" in error.cause
    assert "importlib" not in error.cause
    assert "broken()" in error.cause


def test_a_file_with_a_syntax_error(write):
    file = write("def f(:\n")
    assert fails(file, "workload-import-failed").where == line(file, "def f(:")


def test_a_file_that_exits(write):
    fails(write("raise SystemExit(3)"), "workload-import-failed")


def test_a_missing_package_is_named(write):
    error = fails(write("import not_a_package_at_all.part"), "workload-import-failed")
    assert "not_a_package_at_all" in error.next


def test_a_misspelt_required_function(write):
    file = write("""
        def load():
            return nn.Linear(1, 1)
        def example_input():
            return torch.ones(1, 1)
        """, basic=False)
    assert "example_input()" in fails(file, "workload-missing-function").cause


def test_a_misspelt_optional_function_is_a_warning(write):
    workload = load_workload(str(write("def calibrations():\n    yield torch.zeros(1, 3, 8, 8)\n")))
    assert workload.warnings == ["calibrations() is not used: did you mean calibration()?"]


@pytest.mark.parametrize(("returned", "word"), [("None", "NoneType"), ("nn.Linear", "Linear"), ("{}", "dict")])
def test_load_that_returns_no_module(write, returned, word):
    file = write(f"def load():\n    return {returned}\n")
    error = fails(file, "workload-no-module")
    assert word in error.message
    assert error.where.startswith(str(file))


def test_load_that_raises(write):
    file = write("def load():\n    return open('not here at all')\n")
    error = fails(file, "workload-call-failed")
    assert error.where == line(file, "open(")
    assert "load()" in error.message


def test_example_inputs_that_do_not_fit(write):
    file = write("def example_inputs():\n    return torch.zeros(1, 5, 8, 8)\n")
    error = fails(file, "workload-inputs-do-not-fit")
    assert "float32[1,5,8,8]" in error.cause
    assert error.where == line(file, "self.head(self.body")
    assert str(file) in error.cause


@pytest.mark.parametrize("returned", ["(torch.zeros(1), 3)", "'x'", "()", "{}", "[None]"])
def test_example_inputs_that_are_no_tensors(write, returned):
    fails(write(f"def example_inputs():\n    return {returned}\n"), "workload-bad-inputs")


@pytest.mark.parametrize("returned", ["3.0", "'text'", "(x, 2)"])
def test_outputs_that_are_no_tensors(write, returned):
    fails(write(f"""
        class Odd(nn.Module):
            def forward(self, x):
                return {returned}
        def load():
            return Odd()
        """), "workload-bad-output")


@pytest.mark.parametrize(("shapes", "dynamic"), [
    ("None", False), ("{'image': None}", False), ("({0: torch.export.Dim.AUTO},)", True),
    ("{'image': {0: torch.export.Dim('b', min=1, max=8)}}", True), ("(('b', None, None, None),)", True),
    ("({0: torch.export.Dim.STATIC},)", False)])
def test_dynamic_batch(write, shapes, dynamic):
    assert load_workload(str(write(f"def dynamic_shapes():\n    return {shapes}\n"))).dynamic_batch is dynamic


@pytest.mark.parametrize("shapes", [
    "({2: torch.export.Dim('h')},)", "{'picture': {0: torch.export.Dim('b')}}", "(None, None)", "('b',)"])
def test_other_dynamic_dimensions_are_refused(write, shapes):
    fails(write(f"def dynamic_shapes():\n    return {shapes}\n"), "workload-dynamic-shape")


@pytest.mark.parametrize("returned", [
    "{'sise': 3}", "{'std': [0.0]}", "{'mean': [1, 2]}", "{'layout': 'chwn'}", "{'resize': (0, 4)}", "print"])
def test_preprocess_that_is_no_description(write, returned):
    fails(write(f"def preprocess():\n    return {returned}\n"), "workload-bad-preprocess")


@pytest.mark.parametrize("metric", ["", "METRIC = {'name': 'x'}", "METRIC = {'name': 'x', 'unit': '', "
                                    "'higher_is_better': 'yes'}"])
def test_evaluate_needs_a_metric(write, metric):
    fails(write(f"{metric}\ndef evaluate(predict):\n    return 1\n"), "workload-bad-metric")


@pytest.mark.parametrize(("body", "code"), [("{}['missing']", "workload-call-failed"),
                                            ("'many'", "workload-bad-metric"), ("None", "workload-bad-metric")])
def test_evaluate_that_raises_or_gives_no_number(write, body, code):
    file = write(f"METRIC = {{'name': 'x', 'unit': '', 'higher_is_better': True}}\n"
                 f"def evaluate(predict):\n    return {body}\n")
    workload = load_workload(str(file))
    with pytest.raises(WorkloadError, match="evaluate") as caught:
        workload.evaluate(workload.module)
    assert caught.value.code == code
    assert caught.value.where.startswith(str(file))


def test_errors_inside_generators_have_the_users_line(write):
    file = write("def calibration():\n    yield torch.zeros(1, 3, 8, 8)\n    raise KeyError('gone')\n"
                 "def train_data():\n    yield torch.zeros(1, 3, 8, 8)\n")
    workload = load_workload(str(file))
    with pytest.raises(WorkloadError) as caught:
        list(workload.calibration())
    assert caught.value.where == line(file, "KeyError")
    with pytest.raises(WorkloadError, match="pairs"):
        list(workload.train_data())


@pytest.mark.parametrize("ref", ["no/such/file.py", "nosuch.pt2", "no.such.module.at_all", "json", "a b"])
def test_refs_that_are_not_there(ref):
    with pytest.raises(WorkloadError) as caught:
        load_workload(ref)
    assert caught.value.code in ("workload-not-found", "workload-missing-function")


def test_a_near_file_name_is_offered(write, tmp_path):
    write()
    assert "model.py" in fails(tmp_path / "modle.py", "workload-not-found").cause


@pytest.mark.parametrize("name", ["m.tflite", "m.safetensors", "m.ckpt", "m.txt"])
def test_files_that_are_no_workloads(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    fails(tmp_path / name, "workload-not-found")


def test_half_precision_becomes_float32(write):
    workload = load_workload(str(write("def load():\n    return Net().half()\n"
                                       "def example_inputs():\n    return torch.zeros(1, 3, 8, 8)\n")))
    assert workload.module.head.weight.dtype == torch.float32
    assert "float32" in workload.warnings[0]


@pytest.mark.parametrize("more", ["calibration = [torch.zeros(1, 3, 8, 8)]", "load = Net()\nload = 3",
                                  "if True:\n    labels: list = ['cat']"])
def test_a_value_where_a_function_belongs(write, more):
    file = write(more)
    error = fails(file, "workload-no-function")
    assert error.where == line(file, more.splitlines()[-1])


def test_a_known_name_may_be_none_or_an_imported_module(write):
    workload = load_workload(str(write("calibration = None\nimport json as evaluate")))
    assert workload.calibration is None
    assert workload.evaluate is None


@pytest.mark.parametrize(("ref", "near"), [("wts_of_net.load", "wts_of_net?"), ("pkg_of_net.nte", "pkg_of_net.net?")])
def test_a_module_that_is_not_inside_another(tmp_path, monkeypatch, ref, near):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wts_of_net.py").touch()
    (tmp_path / "pkg_of_net").mkdir()
    (tmp_path / "pkg_of_net" / "net.py").touch()
    assert fails(ref, "workload-not-found").next.endswith(f"did you mean {near}")


def test_inputs_by_name_stand_in_the_order_of_forward(write):
    workload = load_workload(str(write("""
        class Two(nn.Module):
            def forward(self, ids, mask):
                return ids * mask - mask
        def load():
            return Two()
        def example_inputs():
            return {"mask": torch.ones(1, 2), "ids": torch.zeros(1, 2)}
        def calibration():
            yield torch.full((1, 2), 1.0), torch.full((1, 2), 7.0)
        METRIC = {"name": "sum", "unit": "", "higher_is_better": True}
        def evaluate(predict):
            return float(predict(torch.full((1, 2), 1.0), torch.full((1, 2), 7.0)).sum())
        """, basic=False)))
    assert workload.input_names == ("ids", "mask")
    (sample,) = workload.calibration()
    assert [float(t[0, 0]) for t in sample] == [1.0, 7.0]
    assert workload.evaluate(float_predictor(workload.module, workload.example, workload.input_names)) == 0.0


@pytest.mark.parametrize(("returned", "names"), [
    ("{'x': x * 2}", ("x_out",)),
    ("{'a': {'b': x}, 'a_b': x + 1}", ("a_b", "a_b_out")),
    ("{'x_out': x, 'x': x + 1}", ("x_out", "x_out2")),
])
def test_names_of_outputs_are_nobody_elses(write, returned, names):
    workload = load_workload(str(write(f"""
        class Same(nn.Module):
            def forward(self, x):
                return {returned}
        def load():
            return Same()
        def example_inputs():
            return torch.ones(1, 2)
        """, basic=False)))
    assert workload.output_names == names


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_a_model_in_another_precision_takes_its_own_inputs(write, dtype):
    workload = load_workload(str(write(f"""
        def load():
            return nn.Linear(4, 4).to(torch.{dtype})
        def example_inputs():
            return torch.ones(1, 4, dtype=torch.{dtype})
        def calibration():
            yield torch.ones(1, 4, dtype=torch.{dtype})
        METRIC = {{"name": "sum", "unit": "", "higher_is_better": True}}
        def evaluate(predict):
            return float(predict(torch.ones(1, 4, dtype=torch.{dtype})).sum())
        """, basic=False)))
    assert workload.example[0].dtype == torch.float32
    assert next(iter(workload.calibration()))[0].dtype == torch.float32
    assert "float32" in workload.warnings[0]
    assert workload.evaluate(float_predictor(workload.module, workload.example, workload.input_names)) != 0
