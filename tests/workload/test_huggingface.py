import json
import sys

import pytest
import torch

from edgekit.errors import EnvironmentProblem, WorkloadError
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload

transformers = pytest.importorskip("transformers")
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def bert(tmp_path):
    config = transformers.BertConfig(vocab_size=40, max_position_embeddings=12, **SMALL)
    config.id2label, config.label2id = {0: "no", 1: "yes"}, {"no": 0, "yes": 1}
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def fails(folder, code):
    with pytest.raises(WorkloadError) as caught:
        load_workload(str(folder))
    assert caught.value.code == code
    assert caught.value.next
    return caught.value


def test_text_without_a_tokenizer(bert):
    workload = load_workload(str(bert))
    assert workload.name == "bert"
    assert workload.input_names == ("input_ids", "attention_mask")
    assert [tuple(t.shape) for t in workload.example] == [(1, 12), (1, 12)]
    assert workload.output_names == ("logits",)
    assert workload.labels == ["no", "yes"]
    program = capture(workload)
    assert any(s.module == "bert.encoder.layer.0.attention.self.query" for s in program.sources.values())
    assert any("softmax" in str(n.target) for n in program.exported.graph.nodes)  # eager attention


def test_text_with_a_tokenizer(bert):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "fox"]
    (bert / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(bert / "vocab.txt")).save_pretrained(bert)
    workload = load_workload(str(bert))
    assert workload.input_names[0] == "input_ids"
    ids = workload.example[workload.input_names.index("input_ids")]
    assert ids.shape == (1, 12)
    assert ids[0, 0] == 2


def test_an_image_model(tmp_path):
    config = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(
        {"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5] * 3}))
    workload = load_workload(str(tmp_path / "vit"))
    assert workload.input_names == ("pixel_values",)
    assert workload.example[0].shape == (1, 3, 32, 32)
    assert workload.preprocess["mean"] == [0.5, 0.4, 0.3]
    assert workload.labels is None


def test_weights_from_elsewhere(bert, tmp_path):
    (bert / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert load_workload(str(bert), tmp_path / "other.safetensors").output_names == ("logits",)


def test_missing_weights_are_noted(bert):
    from safetensors.torch import load_file, save_file
    state = load_file(bert / "model.safetensors")
    del state["classifier.weight"]
    save_file(state, bert / "model.safetensors", {"format": "pt"})
    assert "classifier.weight" in load_workload(str(bert)).warnings[0]


def test_folders_that_are_not_loaded(bert, tmp_path):
    config = json.loads((bert / "config.json").read_text())
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "workload-not-found")
    (bert / "model.safetensors").rename(bert / "gone")
    fails(bert, "workload-not-found")
    torch.save({}, bert / "pytorch_model.bin")
    assert "pickle" in fails(bert, "workload-pickled").cause
    (bert / "gone").rename(bert / "model.safetensors")
    (bert / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.py--X"}}))
    fails(bert, "workload-remote-code")
    (bert / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer_config.json", "processor_config.json"):
        (bert / name).write_text(json.dumps({"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}))
        assert name in fails(bert, "workload-remote-code").where
        (bert / name).unlink()
    (bert / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "NoSuchTokenizer"}))
    assert "tokenizer" in fails(bert, "workload-broken-file").next
    (bert / "tokenizer_config.json").unlink()
    weights = (bert / "model.safetensors").read_bytes()
    for damaged in (b"version https://git-lfs.github.com/spec/v1", weights[:1000]):
        (bert / "model.safetensors").write_bytes(damaged)
        fails(bert, "workload-broken-file")
    (bert / "model.safetensors").write_bytes(weights)
    for text in ("{", "{}", '{"model_type": "no-such-model"}'):
        (bert / "config.json").write_text(text)
        fails(bert, "workload-broken-file")


def test_a_model_whose_inputs_cannot_be_made_up(tmp_path):
    config = transformers.Wav2Vec2Config(conv_dim=(8,), conv_stride=(4,), conv_kernel=(4,), num_conv_pos_embeddings=4,
                                         num_conv_pos_embedding_groups=2, vocab_size=8, **SMALL)
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "audio")
    assert "example_inputs()" in fails(tmp_path / "audio", "workload-bad-inputs").next


def test_without_transformers(bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EnvironmentProblem) as caught:
        load_workload(str(bert))
    assert caught.value.next == 'pip install "edgekit[huggingface]"'
    assert caught.value.exit_status == 5
