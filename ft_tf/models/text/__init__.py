"""The text networks of the Keras wing: ports, for no library keeps them in Keras with the reference's numbers."""

import importlib

import keras

from ft.zoo.text import TextCard
from ft_tf.models.text.network import TextNetwork, split_text

__all__ = ["CLASSES", "TextNetwork", "build_text", "split_text"]

CLASSES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "gpt2": "GPT2"}


def build_text(card: TextCard, *, num_classes: int = 2, dtype: str = "float32") -> keras.Model:
    """Build the network of a card with the head that it says. Its inputs: ft/zoo/text/card.py."""
    name = card.config.architecture
    network = getattr(importlib.import_module(f"{__name__}.{name}"), CLASSES[name])
    return network(card, num_classes).build(dtype)
