"""From texts to numbers, the same for both wings: tokens, the words that they belong to, lengths to pad to."""

from ft.data.text.buckets import bucket_lengths, buckets_of, group_by_length
from ft.data.text.open import open_tokenizer
from ft.data.text.tokenizer import Tokenizer
from ft.data.text.tokens import Tokens

__all__ = ["Tokenizer", "Tokens", "bucket_lengths", "buckets_of", "group_by_length", "open_tokenizer"]
