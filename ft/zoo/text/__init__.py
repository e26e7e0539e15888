"""Text networks under Hugging Face's names: BERT, DistilBERT, RoBERTa and GPT-2 of any size."""

from ft.zoo.text.card import TextCard, TextFiles, text_card
from ft.zoo.text.config import TextConfig, parse_config, read_config
from ft.zoo.text.named import CARDS

__all__ = ["CARDS", "TextCard", "TextConfig", "TextFiles", "parse_config", "read_config", "text_card"]
