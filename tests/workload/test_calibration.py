import numpy as np
import pytest
import torch
from PIL import Image

from edgekit.errors import WorkloadError
from edgekit.workload.calibration import Samples, calibration_inputs, fidelity_inputs
from edgekit.workload.load import load_workload


def calibrated(write, body):
    return load_workload(str(write(f"def calibration():\n{body}\n")))


def fails(workload, code, data=None):
    with pytest.raises(WorkloadError) as caught:
        calibration_inputs(Samples(workload, data), 8)
    assert caught.value.code == code
    assert caught.value.next
    return caught.value


def test_batches_are_split_into_samples(write):
    workload = calibrated(write, "    yield torch.arange(6.).view(6, 1, 1, 1).expand(6, 3, 8, 8)\n"
                                 "    yield {'image': torch.full((1, 3, 8, 8), 6.)}\n")
    samples = calibration_inputs(Samples(workload), 7)
    assert [s[0].shape for s in samples] == [(1, 3, 8, 8)] * 7
    assert [s[0].mean().item() for s in samples] == list(range(7))
    assert workload.warnings == []


def test_no_more_is_read_than_asked_for(write):
    workload = calibrated(write, "    yield torch.zeros(4, 3, 8, 8)\n    raise ValueError('too far')\n")
    assert len(calibration_inputs(Samples(workload), 3)) == 3


def test_fewer_than_asked_for_is_a_warning(write):
    workload = calibrated(write, "    yield torch.zeros(2, 3, 8, 8)\n")
    assert len(calibration_inputs(Samples(workload), 9)) == 2
    assert workload.warnings == ["2 calibration samples, 9 asked for"]


@pytest.mark.parametrize(("body", "code"), [
    ("    return iter(())", "calibration-empty"),
    ("    yield torch.zeros(1, 3, 9, 9)", "calibration-shape"),
    ("    yield torch.zeros(3, 8, 8)", "calibration-shape"),
    ("    yield torch.zeros(1, 3, 8, 8, dtype=torch.float64)", "calibration-dtype"),
    ("    yield torch.zeros(1, 3, 8, 8)\n    yield torch.full((1, 3, 8, 8), float('nan'))", "calibration-nan"),
    ("    yield torch.full((1, 3, 8, 8), float('inf'))", "calibration-nan"),
    ("    return 3", "workload-bad-inputs"),
    ("    yield 'text'", "workload-bad-inputs"),
    ("    yield {'picture': torch.zeros(1, 3, 8, 8)}", "workload-bad-inputs")])
def test_bad_samples(write, body, code):
    fails(calibrated(write, body), code)


def test_a_nan_is_located(write):
    workload = calibrated(write, "    yield torch.tensor([0., 1., float('nan')]).view(3, 1, 1, 1).expand(3, 3, 8, 8)")
    error = fails(workload, "calibration-nan")
    assert "sample 2 has NaN in input image" in error.message


def test_without_calibration(write):
    assert "calibration()" in fails(load_workload(str(write())), "calibration-missing").next


@pytest.fixture
def two_inputs(write):
    return load_workload(str(write("""
        class Two(nn.Module):
            def forward(self, ids, mask):
                return ids.float() * mask
        def load():
            return Two()
        def example_inputs():
            return {"ids": torch.zeros(2, 4, dtype=torch.long), "mask": torch.ones(2, 4)}
        """, basic=False)))


def test_npz(two_inputs, tmp_path):
    np.savez(tmp_path / "c.npz", ids=np.arange(24).reshape(6, 4), mask=np.ones((6, 4), np.float32))
    samples = calibration_inputs(Samples(two_inputs, tmp_path / "c.npz"), 3)
    assert len(samples) == 3
    assert samples[1][0].tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]


@pytest.mark.parametrize(("arrays", "code"), [
    ({"ids": np.zeros((4, 4), np.int64)}, "calibration-keys"),
    ({"ids": np.zeros((4, 4), np.int64), "mask": np.ones((2, 4), np.float32)}, "calibration-keys"),
    ({"ids": np.zeros((4, 4), np.int32), "mask": np.ones((4, 4), np.float32)}, "calibration-dtype"),
    ({"ids": np.zeros((4, 5), np.int64), "mask": np.ones((4, 4), np.float32)}, "calibration-shape"),
    ({"ids": np.zeros((1, 4), np.int64), "mask": np.ones((1, 4), np.float32)}, "calibration-empty"),
    ({"ids": np.array([["a"] * 4] * 2), "mask": np.ones((2, 4), np.float32)}, "calibration-broken"),
    ({"ids": np.array([None]), "mask": np.ones((1, 4), np.float32)}, "calibration-broken")])
def test_npz_that_does_not_fit(two_inputs, tmp_path, arrays, code):
    np.savez(tmp_path / "c.npz", **arrays)
    fails(two_inputs, code, tmp_path / "c.npz")


def test_npz_from_a_big_endian_machine_and_what_is_none(two_inputs, tmp_path):
    np.savez(tmp_path / "c.npz", ids=np.arange(8, dtype=">i8").reshape(2, 4), mask=np.ones((2, 4), ">f4"))
    (sample,) = calibration_inputs(Samples(two_inputs, tmp_path / "c.npz"), 1)
    assert sample[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros(4))
    fails(two_inputs, "calibration-broken", tmp_path / "array.npz")


@pytest.mark.parametrize(("name", "code"), [("none.npz", "calibration-missing"), ("bad.npz", "calibration-broken"),
                                            ("list.txt", "calibration-missing")])
def test_data_that_is_not_there(two_inputs, tmp_path, name, code):
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no")
    fails(two_inputs, code, tmp_path / name)


def pictures(write, tmp_path, preprocess, shape=(1, 3, 8, 8)):
    folder = tmp_path / "images"
    folder.mkdir()
    for i, suffix in enumerate((".png", ".bmp", ".PNG")):
        Image.new("RGB", (16, 12), (10 * i, 100, 200)).save(folder / f"{i}{suffix}", format=suffix[1:].upper())
    (folder / "notes.txt").write_text("no image")
    axis = 1 if shape[1] in (1, 3) else 3
    return folder, load_workload(str(write(f"""
        class First(nn.Module):
            def forward(self, image):
                return image.mean({axis})
        def load():
            return First()
        def example_inputs():
            return torch.zeros{shape}
        def preprocess():
            return {preprocess}
        """, basic=False)))


def test_a_folder_of_images(write, tmp_path):
    folder, workload = pictures(write, tmp_path, "{'mean': [0.0, 0.5, 0.5], 'std': [1.0, 0.5, 2.0]}")
    samples = calibration_inputs(Samples(workload, folder), 3)
    assert len(samples) == 3
    assert samples[0][0].shape == (1, 3, 8, 8)
    found = sorted(sample[0, :, 0, 0].tolist() for sample, in samples)
    for i, pixel in enumerate(found):
        assert pixel == pytest.approx([10 * i / 255, (100 / 255 - 0.5) / 0.5, (200 / 255 - 0.5) / 2], abs=1e-6)


def test_the_first_images_of_a_tree_are_of_many_classes(write, tmp_path):
    folder, workload = pictures(write, tmp_path, "{'scale': 1.0}")
    for i in range(40):
        (folder / f"class{i // 10}").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (i // 10, 0, 0)).save(folder / f"class{i // 10}" / f"{i}.png")
    first = [calibration_inputs(Samples(workload, folder), n) for n in (10, 20)]
    classes = {int(sample[0, 0, 0, 0]) for sample, in first[0]}
    assert len(classes) >= 3
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first[0], first[1], strict=False))


def test_sixteen_bit_images_are_not_clipped(write, tmp_path):
    folder, workload = pictures(write, tmp_path, "{}")
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(folder / "deep.png")
    assert "more than 8 bits" in fails(workload, "calibration-broken", folder).message


@pytest.mark.parametrize(("how", "shape", "first"), [
    ("{'color': 'bgr', 'scale': 1.0}", (1, 3, 8, 8), [200, 100, 10]),
    ("{'layout': 'nhwc', 'scale': 1.0}", (1, 8, 8, 3), [10, 100, 200]),
    ("{'color': 'gray', 'scale': 1.0, 'interpolation': 'nearest'}", (1, 1, 12, 16), [83])])
def test_orders_of_channels_and_axes(write, tmp_path, how, shape, first):
    folder, workload = pictures(write, tmp_path, how, shape)
    sample = calibration_inputs(Samples(workload, folder), 1)[0][0]
    assert sample.shape == shape
    pixel = sample[0, :, 0, 0] if shape[1] in (1, 3) else sample[0, 0, 0]
    assert pixel.tolist() == pytest.approx(first, abs=10)  # red is 0, 10 or 20


def test_images_need_preprocess(write, tmp_path):
    (tmp_path / "images").mkdir()
    fails(load_workload(str(write())), "calibration-no-preprocess", tmp_path / "images")


def test_a_folder_without_images_and_with_a_broken_one(write, tmp_path):
    folder, workload = pictures(write, tmp_path, "{}")
    (folder / "0.png").write_bytes(b"\x89PNG no")
    assert "0.png" in fails(workload, "calibration-broken", folder).message
    (tmp_path / "empty").mkdir()
    fails(workload, "calibration-missing", tmp_path / "empty")


def test_images_serve_models_with_one_input(two_inputs, tmp_path):
    two_inputs.preprocess = {}
    (tmp_path / "images").mkdir()
    fails(two_inputs, "calibration-keys", tmp_path / "images")


SAMPLES = "    for i in range(10):\n        yield torch.full((1, 3, 8, 8), float(i))"


def test_samples_are_drawn_once(write):
    samples = Samples(calibrated(write, "    for _ in range(10):\n        yield torch.rand(1, 3, 8, 8)"))
    calibration = calibration_inputs(samples, 6)
    inputs, _ = fidelity_inputs(samples, 8, 6)  # four of them among those to calibrate with
    assert [any(torch.equal(i[0], c[0]) for c in calibration) for i in inputs] == [True] * 4 + [False] * 4


def test_a_buffer_that_is_filled_again_and_again(write):
    samples = Samples(calibrated(write, "    buffer = torch.zeros(1, 3, 8, 8)\n    for i in range(4):\n"
                                        "        buffer[:] = i\n        yield buffer"))
    assert [s[0].mean().item() for s in samples.first(4)] == [0, 1, 2, 3]


def test_fidelity_inputs_are_those_not_used_to_calibrate(write):
    inputs, source = fidelity_inputs(Samples(calibrated(write, SAMPLES)), 4, 6)
    assert [i[0].mean().item() for i in inputs] == [6, 7, 8, 9]
    assert source == "calibration samples not used to calibrate"


def test_fidelity_inputs_reuse_calibration_where_there_is_no_more(write):
    inputs, source = fidelity_inputs(Samples(calibrated(write, SAMPLES)), 4, 9)
    assert [i[0].mean().item() for i in inputs] == [6, 7, 8, 9]
    assert source == "calibration samples, also used to calibrate"


def test_fidelity_inputs_are_filled_up(write):
    inputs, source = fidelity_inputs(Samples(calibrated(write, SAMPLES)), 16, 0)
    assert len(inputs) == 16
    assert source == "10 calibration samples, the rest synthesised"


def test_fidelity_inputs_are_synthesised_alike_each_time(two_inputs):
    two_inputs.example = (torch.arange(8).view(2, 4), two_inputs.example[1])
    first, source = fidelity_inputs(Samples(two_inputs), 16, 0)
    second, _ = fidelity_inputs(Samples(two_inputs), 16, 0)
    assert source == "synthesised around the example inputs"
    assert all(torch.equal(a, b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True))
    ids = torch.stack([i[0] for i in first])
    assert ids.min() >= 0
    assert ids.max() <= 7
    assert ids.dtype == torch.long
    assert len({tuple(i.flatten().tolist()) for i in ids}) == 16
