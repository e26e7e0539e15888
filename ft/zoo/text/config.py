"""The config.json of a text network as data: what is read, and what is refused because nothing here computes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft.errors import RunError, WeightsError, listed, printable
from ft.system.reading import JSON_BYTES, MEND, parsed, read_bytes

# our field -> the key in config.json and what it is where the file leaves it out (the source: each architecture's
# configuration class in transformers)
_BERT: dict[str, tuple[str, Any]] = {
    "vocabulary": ("vocab_size", 30522),
    "width": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "hidden": ("intermediate_size", 3072),
    "positions": ("max_position_embeddings", 512),
    "types": ("type_vocab_size", 2),
    "eps": ("layer_norm_eps", 1e-12),
    "activation": ("hidden_act", "gelu"),
    "dropout": ("hidden_dropout_prob", 0.1),
    "attention_dropout": ("attention_probs_dropout_prob", 0.1),
    "head_dropout": ("classifier_dropout", None),
    "pad": ("pad_token_id", 0),
    "spread": ("initializer_range", 0.02),
}
KEYS: dict[str, dict[str, tuple[str, Any]]] = {
    "bert": _BERT,
    "roberta": {**_BERT, "vocabulary": ("vocab_size", 50265), "pad": ("pad_token_id", 1)},
    "distilbert": {
        "vocabulary": ("vocab_size", 30522),
        "width": ("dim", 768),
        "layers": ("n_layers", 6),
        "heads": ("n_heads", 12),
        "hidden": ("hidden_dim", 3072),
        "positions": ("max_position_embeddings", 512),
        "activation": ("activation", "gelu"),
        "dropout": ("dropout", 0.1),
        "attention_dropout": ("attention_dropout", 0.1),
        "head_dropout": ("seq_classif_dropout", 0.2),
        "pad": ("pad_token_id", 0),
        "spread": ("initializer_range", 0.02),
    },
    "gpt2": {
        "vocabulary": ("vocab_size", 50257),
        "width": ("n_embd", 768),
        "layers": ("n_layer", 12),
        "heads": ("n_head", 12),
        "hidden": ("n_inner", None),
        "positions": ("n_positions", 1024),
        "eps": ("layer_norm_epsilon", 1e-5),
        "activation": ("activation_function", "gelu_new"),
        "dropout": ("resid_pdrop", 0.1),
        "attention_dropout": ("attn_pdrop", 0.1),
        "embedding_dropout": ("embd_pdrop", 0.1),
        "head_dropout": ("classifier_dropout", None),
        "pad": ("pad_token_id", None),
        "spread": ("initializer_range", 0.02),
    },
}
ACTIVATIONS = ("gelu", "gelu_new", "relu")
# keys that change what is computed, and the only value of each that is computed here
PLAIN = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "sinusoidal_pos_embds": False,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "tie_word_embeddings": True,
    "pruned_heads": {},
}
COUNTS = ("vocabulary", "width", "layers", "heads", "hidden", "positions")
RATES = ("dropout", "attention_dropout", "embedding_dropout", "head_dropout")
DEEPEST = 1 << 10  # layers: each is a stage of the network
LARGEST = 1 << 24  # of any count: a config of another kind, or one that no machine holds


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The shape of a text network, the same for every architecture.

    types: kinds of segments that have an embedding, 0 where none has; hidden: width inside the perceptrons; positions:
    rows of the position embedding; activation: "gelu" by erf, "gelu_new" by tanh, "relu"; dropout: after the
    embeddings, attention and perceptrons, of GPT-2 not the embeddings; head_dropout: None for `dropout`; pad: the
    number of the padding token; spread: of fresh weights; saved_as: the class of transformers that config.json names
    first, "" for none.
    """

    architecture: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    hidden: int
    positions: int
    activation: str
    dropout: float
    attention_dropout: float
    embedding_dropout: float
    head_dropout: float | None
    eps: float
    types: int = 0
    pad: int | None = None
    spread: float = 0.02
    saved_as: str = field(default="", compare=False)

    @property
    def first_position(self) -> int:
        """The row of the position embedding that the first token takes: RoBERTa counts from behind its padding."""
        return (self.pad or 0) + 1 if self.architecture == "roberta" else 0

    @property
    def max_length(self) -> int:
        """The most tokens that there are positions for."""
        return self.positions - self.first_position

    @property
    def is_causal(self) -> bool:
        """Whether a token sees only those before it."""
        return self.architecture == "gpt2"

    def as_json(self) -> dict[str, Any]:
        """Return the config by the names of config.json, as transformers' configuration class takes them."""
        keys = KEYS[self.architecture]
        return {"model_type": self.architecture, **{key: getattr(self, name) for name, (key, _) in keys.items()}}


def read_config(path: Path) -> TextConfig:
    """Read a config.json; WeightsError, one line, for what is no network of this project."""
    try:
        values = parsed(read_bytes(path, most=JSON_BYTES), path)
    except OSError as error:
        raise WeightsError(
            f"{printable(path)}: {error.strerror or error}; expected the network's config.json"
        ) from None
    except RunError as error:
        raise WeightsError(str(error).removesuffix(MEND) + "take the network's config.json") from None
    return parse_config(values, origin=printable(path))


def parse_config(values: Any, *, origin: str) -> TextConfig:
    """Return the config that a config.json holds. Nothing is taken on trust, and nothing that it names is run."""
    if not isinstance(values, Mapping):
        raise WeightsError(f"{origin}: expected an object with model_type; found {type(values).__name__}")
    architecture = values.get("model_type")
    if not isinstance(architecture, str) or architecture not in KEYS:
        said = "no model_type" if architecture is None else f"model_type {printable(architecture)[:40]!r}"
        raise WeightsError(f"{origin}: {said}; expected one of {listed(KEYS)}")
    refuse_others(values, origin)
    fields = {name: values.get(key, usual) for name, (key, usual) in KEYS[architecture].items()}
    if fields["hidden"] is None:
        fields["hidden"] = 4 * fields["width"] if isinstance(fields["width"], int) else None
    fields.setdefault("embedding_dropout", fields["dropout"])
    fields.setdefault("eps", 1e-12)
    require_sound(fields, origin, KEYS[architecture])
    named = values.get("architectures")
    saved_as = str(named[0]) if isinstance(named, list) and named else ""
    return TextConfig(architecture=architecture, saved_as=saved_as, **fields)


def refuse_others(values: Mapping[str, Any], origin: str) -> None:
    """Raise WeightsError where a key asks for something that is not computed here."""
    for key, plain in PLAIN.items():
        if values.get(key, plain) not in (plain, None):
            raise WeightsError(f"{origin}: {key} {printable(values[key])[:40]}; only {plain} is computed here")


def require_sound(fields: Mapping[str, Any], origin: str, keys: Mapping[str, tuple[str, Any]]) -> None:
    """Raise WeightsError, with the key, for a value that no network can have."""

    def refuse(name: str, expected: str) -> None:
        key = keys.get(name, (name,))[0]
        raise WeightsError(f"{origin}: {key} {printable(fields[name])[:40]}; expected {expected}")

    for name in (*COUNTS, "types"):
        least = 0 if name == "types" else 1
        most = DEEPEST if name == "layers" else LARGEST
        if name in fields and not (type(fields[name]) is int and least <= fields[name] <= most):
            refuse(name, f"a whole number from {least} to {most}")
    for name in RATES:
        optional = name == "head_dropout" and fields[name] is None
        if not optional and not (is_number(fields[name]) and 0 <= fields[name] < 1):
            refuse(name, "a share from 0 to below 1")
    for name in ("eps", "spread"):
        if not (is_number(fields[name]) and 0 < fields[name] < 1):
            refuse(name, "a small positive number")
    if fields["activation"] not in ACTIVATIONS:
        refuse("activation", f"one of {listed(ACTIVATIONS)}")
    if fields["pad"] is not None and not (type(fields["pad"]) is int and 0 <= fields["pad"] < fields["vocabulary"]):
        refuse("pad", "a number of the vocabulary")
    if fields["width"] % fields["heads"]:
        refuse("heads", f"a divisor of the width {fields['width']}")


def is_number(value: Any) -> bool:
    """Tell whether a value of JSON is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
