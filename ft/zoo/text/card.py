"""The card of a text network: a config, the head that a task puts on it, and where its files come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ft.errors import RecipeError, listed
from ft.system.names import MODEL
from ft.zoo.card import Card, under
from ft.zoo.text.config import TextConfig

Answer = Literal["sequence", "tokens", "lm"]
ANSWERS = ("sequence", "tokens", "lm")
POOLS = ("mean", "cls", "last")
REFERENCE = "reference"
BASES = {"bert": "bert", "roberta": "roberta", "distilbert": "distilbert", "gpt2": "transformer"}
BLOCKS = {
    "bert": "bert.encoder.layer",
    "roberta": "roberta.encoder.layer",
    "distilbert": "distilbert.transformer.layer",
    "gpt2": "transformer.h",
}


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """Where the files of a published network are: a package of the registry, or a folder on a hub.

    sha256: of the weights, where it is known; megabytes: of the weights.
    """

    filename: str = MODEL
    sha256: str | None = None
    package: str | None = None
    url: str | None = None
    megabytes: int
    licence: str


@dataclass(frozen=True, kw_only=True)
class TextCard(Card):
    """One text network and the head that its task puts on it.

    It takes a dictionary of "ids", "mask" (1 for a token, 0 for padding) and, if the config has types, "types", all
    integers (N, T); padding may stand on either side, and every row has a token. answer: "sequence", one a text;
    "tokens", one a token; "lm", the next token by the embeddings' own matrix. pool: how a text becomes one vector,
    "mean", "cls" (the first token) or "last", then dropout and one layer; None: by the head of the reference.
    `folder` holds the files of a network of the user's own.
    """

    config: TextConfig
    answer: Answer = "sequence"
    pool: str | None = None
    files: TextFiles | None = None
    folder: Path | None = None
    inputs: str = "text"
    unit: str = "text"
    own_weights: str = "pretrained"
    task: str = "text"

    def with_head(self, *, answer: str | None = None, pool: str | None = None) -> "TextCard":
        """Return the card with another head; what is None stays. pool "reference" is the head of the reference."""
        answer = answer or self.answer
        if answer not in ANSWERS:
            raise RecipeError(f"answer '{answer}': a text network gives {listed(ANSWERS)}")
        if pool is not None and (pool not in (*POOLS, REFERENCE) or answer != "sequence"):
            raise RecipeError(f"pool '{pool}': expected {listed((*POOLS, REFERENCE))}, for one answer a text")
        pool = None if answer != "sequence" or pool == REFERENCE else pool or self.pool
        stages, last = stages_of(self.config, answer, pool)
        return replace(self, answer=answer, pool=pool, stages=stages, last=last)

    @property
    def rate(self) -> float:
        """The dropout of the head, as the reference has it for this answer."""
        config = self.config
        if config.head_dropout is None:
            return 0.1 if config.architecture == "gpt2" else config.dropout
        return config.dropout if (config.architecture, self.answer) == ("distilbert", "tokens") else config.head_dropout

    @property
    def logits_layer(self) -> str:
        """The layer whose tensors make the logits: of a language model the embeddings, which it shares."""
        return f"{BASES[self.config.architecture]}.wte" if self.answer == "lm" else self.last

    def new_head(self, given: Collection[str]) -> tuple[str, ...]:
        """Return the module paths that start anew where the head does. given: the names of the pretrained tensors.

        The layer that gives logits, and what of the head and of BERT's pooler the files of a base alone lack.
        """
        parts = (*self.stages.get("pooler", ()), *self.stages["head"])
        return (*(path for path in parts if not any(under(name, (path,)) for name in given)), *self.outputs)

    def options(self, **_: object) -> dict[str, float | int]:
        """Return no keywords: a text network is built from its card."""
        return {}


def text_card(
    name: str,
    config: TextConfig,
    *,
    files: TextFiles | None = None,
    folder: Path | None = None,
    pool: str | None = None,
) -> TextCard:
    """Return the card of a network with the head for one answer a text."""
    stages, last = stages_of(config, "sequence", pool)
    return TextCard(
        name=name,
        family=config.architecture,
        parameters=count_parameters(config),
        stages=stages,
        last=last,
        pretrained=(),
        tail=(),
        pool=pool,
        config=config,
        files=files,
        folder=folder,
        usual=usual_of,
    )


def usual_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a text network is usually trained with: AdamW and a rate that rises first and then falls to 0.

    The rate is that of a head on a frozen base, and, where the base trains, the one that it was published with. A
    language model trains whole: its head is its embeddings.
    """
    lm = {"freeze": "none"} if fields.get("task") == "language-model" else {}
    whole = {**lm, **fields}.get("freeze", "base") != "base" or "unfreeze" in fields
    rates = {"lr": 5e-5, "warmup_epochs": 0.3, "epochs": 3} if whole else {"lr": 5e-2, "epochs": 10}
    usual = {"optimizer": "adamw", "schedule": "linear", "decay_exempt": "norms-and-biases", "data": "reuters"}
    return {**usual, **rates, **lm}


def stages_of(config: TextConfig, answer: str, pool: str | None) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the module paths of each stage from the embeddings to the head, and the layer that gives the logits."""
    name, base = config.architecture, BASES[config.architecture]
    embeddings = ("wte", "wpe", "drop") if name == "gpt2" else ("embeddings",)
    stages = {"embeddings": tuple(f"{base}.{path}" for path in embeddings)}
    stages |= {f"layer.{index}": (f"{BLOCKS[name]}.{index}",) for index in range(config.layers)}
    if name == "gpt2":
        stages["norm"] = (f"{base}.ln_f",)
    if has_pooler(name, answer, pool):
        stages["pooler"] = (f"{base}.pooler",)
    head, last = head_of(name, answer, pool)
    return {**stages, "head": head}, last


def has_pooler(architecture: str, answer: str, pool: str | None) -> bool:
    """Tell whether the base ends with BERT's dense layer and tanh on the first token."""
    return architecture == "bert" and answer == "sequence" and pool is None


def head_of(architecture: str, answer: str, pool: str | None) -> tuple[tuple[str, ...], str]:
    """Return the modules of the head, and the one that gives the logits."""
    if answer == "lm":
        if architecture != "gpt2":
            raise RecipeError(f"answer 'lm': {architecture} sees the whole text; expected gpt2")
        return ("lm_head",), "lm_head"
    if answer == "sequence" and architecture == "gpt2":
        return ("score",), "score"
    if answer == "sequence" and pool is None and architecture != "bert":
        wholes = {"distilbert": ("pre_classifier", "dropout", "classifier"), "roberta": ("classifier",)}
        return wholes[architecture], "classifier.out_proj" if architecture == "roberta" else "classifier"
    return ("dropout", "classifier"), "classifier"


def count_parameters(config: TextConfig) -> int:
    """Return the parameters of the base, BERT's pooler among them, without a head."""
    width, hidden = config.width, config.hidden
    rows = config.vocabulary + config.positions + config.types
    layer = 4 * (width * width + width) + 2 * width * hidden + hidden + width + 4 * width
    pooler = width * width + width if config.architecture == "bert" else 0
    return rows * width + 2 * width + config.layers * layer + pooler
