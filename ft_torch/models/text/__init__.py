"""The text networks of the PyTorch wing; transformers, on which they stand, is imported when one is built."""

import importlib

from torch import nn

from ft.system.extras import require_extra
from ft.zoo.text import TextCard
from ft_torch.layers import with_products
from ft_torch.layers.attention import offer_attention
from ft_torch.models.text.network import TextNetwork, split_text
from ft_torch.precision import as_type

__all__ = ["CLASSES", "TextNetwork", "build_text", "split_text"]

CLASSES = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert", "gpt2": "GPT2"}


def build_text(card: TextCard, *, num_classes: int = 2, dtype: str = "float32") -> nn.Module:
    """Build the network of a card with the head that it says. Its inputs: ft/zoo/text/card.py."""
    require_extra("text", "transformers")
    offer_attention()
    name = card.config.architecture
    network = getattr(importlib.import_module(f"{__name__}.{name}"), CLASSES[name])
    return as_type(with_products(network(card, num_classes)), dtype)
