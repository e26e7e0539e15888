"""Files of text networks: what the wings write the hub reads to the byte, and it reads what transformers saved."""

import keras
import numpy as np
import pytest
import torch
import transformers

import ft_tf
import ft_torch
from ft.parity.arrays import Tensors, require_equal
from ft.weights import cast, match_weights
from ft.weights.keras_file import read_keras
from ft.weights.keras_names import to_torch_names
from ft.weights.read import read_weights
from ft.weights.text import drawn_text
from ft.weights.text_files import text_weights
from ft.zoo import find_text_card
from ft.zoo.card import under
from ft_tf.models.text import build_text as build_tf
from ft_torch.models.text import build_text as build_torch
from parity_tests.support.texts import CLASSES, small_card, start, texts

SAVED = {"Bert": "bert", "DistilBert": "distilbert", "Roberta": "roberta", "GPT2": "gpt2"}
KINDS = [("bert", "sequence"), ("distilbert", "tokens"), ("roberta", "sequence"), ("gpt2", "sequence"), ("gpt2", "lm")]


def require_same(tensors: Tensors, expected: Tensors):
    assert tensors.keys() == expected.keys()
    assert [name for name in tensors if not np.array_equal(tensors[name], expected[name])] == []


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_either_wings_files(kind, tmp_path):
    card = small_card(*kind)
    tensors = cast(start(card), "float32")
    model = build_tf(card, num_classes=CLASSES)
    shapes = ft_tf.weight_shapes(model)
    for name in ("a.weights.h5", "a.keras"):
        ft_tf.write_weights(model, tensors, tmp_path / name)
        require_same(to_torch_names(read_keras(tmp_path / name), shapes), tensors)
    inputs = texts(card)
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))
    with ft_torch.building_empty():
        empty = build_torch(card, num_classes=CLASSES)
    ft_torch.write_weights(empty, tensors, tmp_path / "a.pth")
    require_same(read_weights(tmp_path / "a.pth"), tensors)


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_folders_that_transformers_saved(name, kind, tmp_path):
    """A network that was pretrained on gaps or on the next token, and saved: its base is read strictly."""
    card = small_card(SAVED[name])
    stock = getattr(transformers, f"{name}Config")(**card.config.as_json(), attn_implementation="eager")
    theirs = getattr(transformers, f"{name}{'LMHeadModel' if name == 'GPT2' else 'ForMaskedLM'}")(stock).eval()
    if kind == "safetensors":
        theirs.save_pretrained(tmp_path)
    else:
        stock.save_pretrained(tmp_path)
        torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    opened = find_text_card(str(tmp_path)).with_head(pool="mean")
    assert opened.config == card.config
    model = build_torch(opened, num_classes=CLASSES)
    shapes = ft_torch.weight_shapes(model)
    head = {name: shape for name, shape in shapes.items() if under(name, opened.stages["head"])}
    match = match_weights(text_weights(opened), shapes, replaced=head)
    ft_torch.set_weights(model, {**match.tensors, **drawn_text(head, spread=0.02, seed=0)})
    inputs = {name: torch.from_numpy(x[:1]) for name, x in texts(opened).items()}
    inputs["ids"][inputs["ids"] == opened.config.pad] += 1  # theirs takes it for padding wherever it stands
    called = {"input_ids": inputs["ids"], "token_type_ids": inputs.get("types")}
    expected = theirs.base_model(**{key: x for key, x in called.items() if x is not None}).last_hidden_state
    require_equal({"": model.eval().run_base(inputs).detach().numpy()}, {"": expected.detach().numpy()}, bar=1e-6)
