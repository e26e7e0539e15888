"""A text network in both wings and in transformers, from the same tensors: logits, loss and gradients of one batch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
import torch
import transformers
from torch.nn import functional as F

import ft_tf.layers
import ft_torch.layers
from ft.noise import generator
from ft.parity.arrays import Tensors
from ft.weights.text import drawn_text
from ft.zoo.text import TextCard, parse_config, text_card
from ft_tf.models.text import build_text as build_tf
from ft_tf.weights import get_weights, layout_of, parameters, set_weights, to_array
from ft_torch.models.text import build_text as build_torch
from ft_torch.weights import set_weights as set_torch
from ft_torch.weights import weight_shapes

CLASSES, SEED = 5, 3
CLOCK = [7, 2]  # step, position of the first text
STOCK = {
    "bert": "Bert",
    "roberta": "Roberta",
    "distilbert": "DistilBert",
    "gpt2": "GPT2",
}
ENDS = {"sequence": "ForSequenceClassification", "tokens": "ForTokenClassification", "lm": "LMHeadModel"}
# all sizes differ, so that none can be taken for another
SIZES = {
    "bert": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40},
    "distilbert": {"dim": 24, "n_layers": 2, "n_heads": 4, "hidden_dim": 40},
    "gpt2": {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_inner": 40, "n_positions": 17, "pad_token_id": 0},
}


def small_card(architecture: str, task: str = "sequence", pool: str | None = None, **values: Any) -> TextCard:
    """Return a small network of an architecture."""
    own = {"max_position_embeddings": 17, "vocab_size": 53, **SIZES.get(architecture, SIZES["bert"]), **values}
    if architecture == "gpt2":
        del own["max_position_embeddings"]
    config = parse_config({"model_type": architecture, **own}, origin=architecture)
    return text_card("small", config).with_head(answer=task, pool=pool)


def texts(card: TextCard, *, length: int = 9, seed: int = 0) -> dict[str, np.ndarray]:
    """Return four texts: a whole one that has padding's number as a token, one padded on the right, one on the left,
    and one of a single token.
    """
    rng, pad = generator(seed, "texts"), card.config.pad or 0
    mask = np.ones((4, length), np.int64)
    mask[1, 6:] = mask[2, :4] = mask[3, 1:] = 0
    ids = rng.integers(2, card.config.vocabulary, mask.shape)
    ids[0, 3] = pad
    types = rng.integers(0, max(card.config.types, 1), mask.shape)
    given = {"ids": np.where(mask == 1, ids, pad), "mask": mask, "types": types * mask}
    return given if card.config.types else {name: given[name] for name in ("ids", "mask")}


def answers(card: TextCard, inputs: Mapping[str, np.ndarray], *, seed: int = 0) -> np.ndarray:
    """Return the target of each text or token, -100 where there is none; of a language model the tokens themselves."""
    rng, ids, mask = generator(seed, "answers"), inputs["ids"], inputs["mask"] == 1
    if card.answer == "sequence":
        return rng.integers(0, CLASSES, len(ids))
    if card.answer == "tokens":
        return np.where(mask, rng.integers(0, CLASSES, ids.shape), -100)
    before = np.pad(mask, ((0, 0), (1, 0)))[:, :-1]
    return np.where(mask & before, ids, -100)


def start(card: TextCard, classes: int = CLASSES) -> Tensors:
    """Return a tensor for every name, none of one value alone."""
    with torch.device("meta"):
        shapes = weight_shapes(build_torch(card, num_classes=classes))
    rng, tensors = generator(0, "start"), drawn_text(shapes, spread=0.3, seed=0)
    return {name: t + rng.normal(0, 0.1, t.shape) if t.ndim == 1 else t for name, t in tensors.items()}


def run_torch(card: TextCard, tensors: Tensors, inputs: Mapping[str, np.ndarray], *, training: bool) -> Tensors:
    """Return what the PyTorch wing makes of a batch."""
    model = build_torch(card, num_classes=CLASSES, dtype="float64")
    set_torch(model, tensors)
    ft_torch.layers.seed_noise(model, SEED)
    model.train(training)
    with ft_torch.layers.noise(model, torch.tensor(CLOCK)):
        logits = model({name: torch.from_numpy(x) for name, x in inputs.items()})
    return found_by_torch(card, logits, dict(model.named_parameters()), inputs)


def run_stock(card: TextCard, tensors: Tensors, inputs: Mapping[str, np.ndarray]) -> Tensors:
    """Return what transformers' own class makes of a batch in inference mode, by eager attention.

    Where its head takes the first place, padding or not, the texts are padded on the right for it.
    """
    if card.answer == "sequence" and card.config.architecture != "gpt2":
        inputs = padded_on_the_right(inputs)
    name = STOCK[card.config.architecture]
    labels = {"num_labels": CLASSES, "attn_implementation": "eager"}
    config = getattr(transformers, f"{name}Config")(**card.config.as_json(), **labels)
    model = getattr(transformers, f"{name}{ENDS[card.answer]}")(config).double().eval()
    tied = {"lm_head.weight": tensors["transformer.wte.weight"]} if card.answer == "lm" else {}
    model.load_state_dict({n: torch.from_numpy(t) for n, t in {**tensors, **tied}.items()}, strict=True)
    given = {name: torch.from_numpy(x) for name, x in inputs.items()}
    places = (given["mask"].cumsum(1) * given["mask"] + card.config.first_position - 1).clamp(min=0)
    called = {"input_ids": given["ids"], "attention_mask": given["mask"], "position_ids": places}
    if card.config.types:
        called["token_type_ids"] = given["types"]
    labelled = model(**called, labels=torch.from_numpy(answers(card, inputs)))
    results = found_by_torch(card, labelled.logits, dict(model.named_parameters()), inputs)
    bar = 1e-6 if card.answer == "lm" else 1e-12  # their language model's loss, and only that, goes through float32
    assert abs(labelled.loss.item() - results["loss"]) <= bar * abs(results["loss"])
    return results


def padded_on_the_right(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the same texts, each from the first place on."""
    starts = inputs["mask"].argmax(1)
    return {name: np.stack([np.roll(x, -n) for x, n in zip(xs, starts, strict=True)]) for name, xs in inputs.items()}


def found_by_torch(
    card: TextCard, logits: torch.Tensor, weights: Mapping[str, torch.Tensor], inputs: Mapping[str, np.ndarray]
) -> Tensors:
    """Return logits, loss and the gradient of every weight."""
    targets, rows = torch.from_numpy(answers(card, inputs)), logits
    if card.answer == "lm":
        rows, targets = rows[:, :-1], targets[:, 1:]
    loss = F.cross_entropy(rows.reshape(-1, rows.shape[-1]), targets.reshape(-1), ignore_index=-100)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    arrays = {name: g.numpy() for name, g in zip(weights, gradients, strict=True)}
    return {"logits": of_tokens(card, logits.detach().numpy(), inputs), "loss": np.array(loss.item()), **arrays}


def run_tf(card: TextCard, tensors: Tensors, inputs: Mapping[str, np.ndarray], *, training: bool) -> Tensors:
    """Return what the Keras wing makes of a batch."""
    model = build_tf(card, num_classes=CLASSES, dtype="float64")
    set_weights(model, tensors)
    assert get_weights(model).keys() == tensors.keys()
    ft_tf.layers.seed_noise(model, SEED)
    weights = {name: w.value for name, w in parameters(model).items()}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(list(weights.values()))
        with ft_tf.layers.noise(model, tf.constant(CLOCK, tf.int64)):
            logits = model({name: tf.constant(x) for name, x in inputs.items()}, training=training)
        loss = loss_in_tf(card, logits, answers(card, inputs))
    layouts = {name: layout_of(w) for name, w in parameters(model).items()}
    gradients = {name: to_array(g, layouts[name]) for name, g in tape.gradient(loss, weights).items()}
    return {"logits": of_tokens(card, logits.numpy(), inputs), "loss": loss.numpy(), **gradients}


def loss_in_tf(card: TextCard, logits: tf.Tensor, targets: np.ndarray) -> tf.Tensor:
    """Return the mean cross-entropy of all that has a target."""
    if card.answer == "lm":
        logits, targets = logits[:, :-1], targets[:, 1:]
    counted = (targets >= 0).reshape(-1)
    rows = tf.reshape(logits, [-1, logits.shape[-1]])
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(np.maximum(targets, 0).reshape(-1), rows)
    return tf.reduce_sum(each * counted) / counted.sum()


def of_tokens(card: TextCard, logits: np.ndarray, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return logits, 0 for padding, whose numbers nobody reads."""
    return logits if card.answer == "sequence" else logits * inputs["mask"][:, :, None]


def without_noise(card: TextCard) -> TextCard:
    """Return the card without dropout."""
    rates = dict.fromkeys(("dropout", "attention_dropout", "embedding_dropout", "head_dropout"), 0.0)
    return replace(card, config=replace(card.config, **rates))
