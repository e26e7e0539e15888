"""A run on text taken away: files for deployment, folders for transformers, weights for Keras, and back."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

import ft
from ft.api.convert import convert
from ft.api.export import export_run
from ft.backend import contract as backend
from ft.data.inputs import TokenIds
from ft.errors import RunError
from ft.weights.read import read_weights
from parity_tests.support.text_runs import FIELDS, plain, table, tagged, tiny_folder

OF_TOKENS = {  # a network, what it learns from, and transformers' class of it
    "tags": ("bert", tagged, "d.conll", "BertForTokenClassification"),
    "lm": ("gpt2", plain, "d.txt", "GPT2LMHeadModel"),
}


@pytest.fixture(scope="module", params=OF_TOKENS)
def token_run(request, tmp_path_factory):
    """A run whose network answers for each token, texts padded on the left, and transformers' class of it."""
    architecture, write, name, stock = OF_TOKENS[request.param]
    folder = tmp_path_factory.mktemp("away")
    network, data = tiny_folder(folder / "network", architecture), write(folder / name)
    fields = {**FIELDS, "precision": "float32", "pad_side": "left"}
    done = ft.finetune(**fields, model=network, data=data, backend="torch", out=folder / "run", quiet=True)
    shutil.rmtree(network)
    return done, getattr(transformers, stock)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with the reference's head, whose network's folder is gone."""
    folder = tmp_path_factory.mktemp("away")
    network, data = tiny_folder(folder / "network"), table(folder / "d.csv")
    fields = {**FIELDS, "precision": "float32", "pool": "reference"}
    done = ft.finetune(**fields, model=network, data=data, backend="torch", out=folder / "run", quiet=True)
    shutil.rmtree(network)
    return done


@pytest.mark.parametrize(
    "format", ["onnx", "torch-export", "litert", pytest.param("savedmodel", marks=pytest.mark.slow)]
)
def test_a_file_takes_tokens_of_any_number_and_length(run, format, tmp_path):
    """Run again on texts of other lengths than those that it was checked with, with the tokenizer beside it."""
    wing = backend.load("torch" if format in ("onnx", "torch-export") else "tf")
    ending = {"onnx": "a.onnx", "torch-export": "a.pt2", "litert": "a.tflite", "savedmodel": "a.savedmodel"}[format]
    done = export_run(run.folder, format=format, out=tmp_path / ending, quiet=True)
    assert done.record["check"]["difference"] <= 1e-5
    beside = json.loads((tmp_path / done.record["tokenizer"]).read_text())
    assert beside == json.loads(run.preprocess.tokenizer.to_json())
    assert beside["padding"] is beside["truncation"] is None
    for texts in (["cat"], ["the cat sat on a mat", "dogs", "it ran far away from some dogs and barked"]):
        tokens = run.preprocess.tokenizer.encode(texts, max_length=24)
        given = tokens.padded(range(len(texts)), length=int(tokens.lengths.max()), pad=0)
        logits = wing.run_exported(done.path, given, format=format)
        probabilities = torch.log_softmax(torch.from_numpy(logits), -1).exp().numpy()
        said = [{g.label: g.probability for g in each} for each in run.predict(texts)]
        np.testing.assert_allclose(probabilities, [[each[k] for k in run.classes] for each in said], atol=2e-6)


def test_a_file_whose_mask_is_forgotten_is_not_kept(run, monkeypatch, tmp_path):
    wing = backend.load("torch")
    export = wing.export_model

    def faulty(model, *args, **kwargs):
        forward = type(model).forward
        monkeypatch.setattr(type(model), "forward", lambda self, x: forward(self, {**x, "mask": x["mask"] * 0 + 1}))
        return export(model, *args, **kwargs)

    monkeypatch.setattr(wing, "export_model", faulty)
    with pytest.raises(RunError, match="was not kept: its logits differ"):
        export_run(run.folder, format="torch-export", out=tmp_path / "a.pt2", quiet=True)
    assert not list(tmp_path.iterdir())


def test_to_transformers_to_keras_and_back_byte_by_byte(run, tmp_path):
    convert(run.folder, tmp_path / "hf")
    stock = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "hf").eval()
    tensors = read_weights(run.folder / "model.safetensors")
    theirs = stock.state_dict()
    assert theirs.keys() == tensors.keys()
    assert all(np.array_equal(theirs[name].numpy(), tensors[name]) for name in tensors)
    assert stock.config.id2label == dict(enumerate(run.classes))
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")("the cat sat", return_tensors="pt")
    shares = stock(**tokens).logits.softmax(-1)[0]
    guess = run.predict("the cat sat")[0]
    assert float(shares[run.classes.index(guess.label)]) == pytest.approx(guess.probability, abs=1e-5)

    convert(tmp_path / "hf", tmp_path / "a.weights.h5")
    convert(tmp_path / "a.weights.h5", tmp_path / "again", model=str(tmp_path / "hf"))
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "hf/model.safetensors").read_bytes()
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (tmp_path / "hf/tokenizer.json").read_bytes()
    with pytest.raises(ft.RecipeError, match="exists; choose another OUT"):
        convert(run.folder, tmp_path / "hf")


@pytest.mark.parametrize(
    "format", ["onnx", "torch-export", "litert", pytest.param("savedmodel", marks=pytest.mark.slow)]
)
def test_a_file_answers_for_each_token(token_run, format, tmp_path):
    """Padded on another side and to another length than those that it was checked with."""
    (run, _), wing = token_run, backend.load("torch" if format in ("onnx", "torch-export") else "tf")
    ending = {"onnx": "a.onnx", "torch-export": "a.pt2", "litert": "a.tflite", "savedmodel": "a.savedmodel"}[format]
    done = export_run(run.folder, format=format, out=tmp_path / ending, quiet=True)
    assert done.record["check"]["difference"] <= 1e-5
    tokens = run.preprocess.tokenizer.encode(["the cat sat on a mat", "dogs"], max_length=24)
    given = tokens.padded(range(2), length=11, pad=0, side="right")
    given = {name: given[name] for name in done.record["input"]["names"]}
    logits, expected = wing.run_exported(done.path, given, format=format), run.learner.outputs(TokenIds(given))
    assert logits.shape == (2, 11, expected["logits"].shape[2])
    assert done.record["output"]["shape"] == ["batch", "tokens", logits.shape[2]]
    real = given["mask"] == 1
    np.testing.assert_allclose(logits[real], expected["logits"][real], rtol=0, atol=1e-5)


def test_a_network_of_tokens_to_transformers_to_keras_and_back_byte_by_byte(token_run, tmp_path):
    run, stock = token_run
    convert(run.folder, tmp_path / "hf")
    theirs, info = stock.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not any(info.values()), info
    tensors = read_weights(run.folder / "model.safetensors")
    assert all(np.array_equal(theirs.state_dict()[name].numpy(), tensors[name]) for name in tensors)
    assert {*theirs.state_dict()} - {*tensors} <= {"lm_head.weight"}
    if run.task.answer == "tokens":
        assert theirs.config.id2label == dict(enumerate(run.classes))
    given = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")("the cat sat", return_tensors="pt")
    logits = theirs.eval()(**given).logits.detach().numpy()
    ids = {"ids": given["input_ids"], "mask": given["attention_mask"], "types": given.get("token_type_ids")}
    own = run.learner.outputs(TokenIds({name: x.numpy() for name, x in ids.items() if x is not None}))
    np.testing.assert_allclose(own["logits"], logits, atol=2e-6)

    convert(tmp_path / "hf", tmp_path / "a.weights.h5")
    convert(tmp_path / "a.weights.h5", tmp_path / "again", model=str(tmp_path / "hf"))
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "hf/model.safetensors").read_bytes()
    convert(run.folder, tmp_path / "b.keras")
    convert(tmp_path / "b.keras", tmp_path / "more", model=str(tmp_path / "hf"))
    assert (tmp_path / "more" / "model.safetensors").read_bytes() == (tmp_path / "hf/model.safetensors").read_bytes()
