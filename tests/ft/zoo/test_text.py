"""Text networks as data: configs, cards, heads."""

import json
from dataclasses import asdict

import pytest

from ft.errors import RecipeError, WeightsError
from ft.zoo import cards, find_card, find_text_card, text_cards
from ft.zoo.text import parse_config, read_config, text_card

HEADS = {
    ("bert", "sequence", "reference"): ("dropout", "classifier"),
    ("bert", "sequence", "mean"): ("dropout", "classifier"),
    ("distilbert", "sequence", "reference"): ("pre_classifier", "dropout", "classifier"),
    ("distilbert", "tokens", None): ("dropout", "classifier"),
    ("roberta", "sequence", "reference"): ("classifier",),
    ("roberta", "sequence", "cls"): ("dropout", "classifier"),
    ("gpt2", "sequence", "last"): ("score",),
    ("gpt2", "lm", None): ("lm_head",),
}
NAMED = {
    "bert": "bert-base-uncased",
    "distilbert": "distilbert-base-uncased",
    "roberta": "roberta-base",
    "gpt2": "gpt2",
}


def test_published_sizes():
    """The counts that their papers and hubs give, RoBERTa's without the pooler that its classifier lacks."""
    assert {card.name: card.parameters for card in text_cards()} == {
        "minilm_l6": 22_713_216,
        "distilbert-base-uncased": 66_362_880,
        "distilgpt2": 81_912_576,
        "bert-base-uncased": 109_482_240,
        "gpt2": 124_439_808,
        "roberta-base": 124_055_040,
    }
    assert find_text_card("roberta-base").config.max_length == 512


@pytest.mark.parametrize("key", HEADS, ids=str)
def test_heads_and_stages(key):
    architecture, task, pool = key
    card = find_text_card(NAMED[architecture]).with_head(answer=task, pool=pool)
    assert card.stages["head"] == HEADS[key]
    assert card.last.startswith(HEADS[key][-1])
    assert ("pooler" in card.stages) == (key == ("bert", "sequence", "reference"))
    assert list(card.stages)[:2] == ["embeddings", "layer.0"]


def test_a_text_network_is_no_image_network():
    assert not {card.name for card in cards()} & {card.name for card in text_cards()}
    assert {card.inputs for card in cards()} == {"images"}
    assert {card.inputs for card in text_cards()} == {"text"}
    assert find_card("minilm_l6") is find_text_card("minilm_l6")
    with pytest.raises(RecipeError, match="model 'resnet18' takes images; for text take minilm_l6"):
        find_text_card("resnet18")
    with pytest.raises(RecipeError, match="did you mean 'minilm_l6'"):
        find_card("minilm_l5")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"answer": "speech"}, "answer 'speech': a text network gives sequence, tokens, lm"),
        ({"pool": "max"}, "pool 'max': expected mean, cls, last, reference"),
        ({"answer": "tokens", "pool": "mean"}, "for one answer a text"),
        ({"answer": "lm"}, "bert sees the whole text; expected gpt2"),
    ],
)
def test_heads_that_there_are_not(head, said):
    with pytest.raises(RecipeError, match=said):
        find_text_card("minilm_l6").with_head(**head)


@pytest.mark.parametrize("name", [card.name for card in text_cards()])
def test_a_config_and_back(name):
    config = find_text_card(name).config
    assert parse_config(config.as_json(), origin=name) == config


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "expected an object with model_type; found list"),
        ({}, "no model_type; expected one of bert"),
        ({"model_type": "llama"}, "model_type 'llama'; expected one of bert, roberta, distilbert, gpt2"),
        ({"model_type": ["bert"]}, "model_type .* expected one of"),
        ({"hidden_size": "768"}, "hidden_size 768; expected a whole number"),
        ({"num_hidden_layers": 0}, "num_hidden_layers 0; expected a whole number from 1"),
        ({"vocab_size": 1e9}, "vocab_size 1000000000.0; expected"),
        ({"num_attention_heads": 7}, "num_attention_heads 7; expected a divisor of the width 768"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob 1.0; expected a share"),
        ({"hidden_act": "swish"}, "hidden_act swish; expected one of gelu, gelu_new, relu"),
        ({"pad_token_id": 40000}, "pad_token_id 40000; expected a number of the vocabulary"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type relative_key; only absolute"),
        ({"is_decoder": True}, "is_decoder True; only False"),
        ({"model_type": "gpt2", "reorder_and_upcast_attn": True}, "reorder_and_upcast_attn True"),
        ({"model_type": "gpt2", "n_embd": [3]}, "expected a whole number"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers 1000000; expected a whole number from 1 to 1024"),
        ({"layer_norm_eps": None}, "layer_norm_eps None; expected a small positive number"),
    ],
)
def test_configs_that_are_refused_in_a_line(values, said, tmp_path):
    values = {"model_type": "bert", **values} if values and isinstance(values, dict) else values
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=said) as caught:
        read_config(tmp_path / "config.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [(b"{", "no JSON"), (b"\xff\xfe", "no JSON"), (None, "No such file")])
def test_files_that_are_no_config(content, said, tmp_path):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(WeightsError, match=said):
        read_config(tmp_path / "config.json")


def test_a_folder_is_a_card(tmp_path):
    config = find_text_card("distilgpt2").config
    (tmp_path / "config.json").write_text(json.dumps({**config.as_json(), "auto_map": {"AutoModel": "evil.py"}}))
    card = find_text_card(str(tmp_path))
    assert (card.folder, asdict(card.config)) == (tmp_path, asdict(config))
    assert find_card(str(tmp_path)).config == card.config


@pytest.mark.parametrize(
    ("architecture", "given", "fresh"),
    [
        ("distilbert", (), {"pre_classifier", "dropout", "classifier"}),
        ("distilbert", ("pre_classifier.bias", "classifier.bias"), {"dropout", "classifier"}),
        ("roberta", (), {"classifier", "classifier.out_proj"}),
        ("roberta", ("classifier.dense.bias",), {"classifier.out_proj"}),
        ("bert", ("bert.pooler.dense.bias",), {"dropout", "classifier"}),
        ("bert", (), {"bert.pooler", "dropout", "classifier"}),
    ],
)
def test_what_a_base_lacks_starts_anew_with_the_head(architecture, given, fresh):
    card = text_card("a", parse_config({"model_type": architecture}, origin="a")).with_head(pool="reference")
    assert set(card.new_head(given)) == fresh
