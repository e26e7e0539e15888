"""One tokenizer for both wings, Hugging Face's in Rust, without the padding and truncation that its file holds."""

import json
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ft.data.text.tokens import Tokens
from ft.errors import DataError, WeightsError, first_line, printable

if TYPE_CHECKING:
    import tokenizers

AT_A_TIME = 1024  # texts: what comes back is larger than the numbers that are kept
ADDED = "add_prefix_space"


class Tokenizer:
    """Texts -> Tokens. A file's own padding and truncation, which would make all texts of one length, are reset."""

    def __init__(self, rust: "tokenizers.Tokenizer") -> None:
        self.rust, self.kinds = rust, 0
        for each in (self.rust, self.by_words):
            each.no_padding()
            each.no_truncation()

    @cached_property
    def by_words(self) -> "tokenizers.Tokenizer":
        """The same for texts that come in words: where a space belongs to the word behind it, each has one."""
        described = json.loads(self.rust.to_str())
        for part in parts_of(described.get("pre_tokenizer")):
            if ADDED in part:
                part[ADDED] = True
        return type(self.rust).from_str(json.dumps(described))

    @property
    def size(self) -> int:
        """How many tokens there are, added ones too."""
        return self.rust.get_vocab_size()

    def to_json(self) -> str:
        """Return it as the text of a tokenizer.json, without the truncation of the texts that it has seen last."""
        self.rust.no_truncation()
        return self.rust.to_str()

    def require_fits(self, vocabulary: int, kinds: int = 0) -> None:
        """Raise WeightsError where there are tokens that a network with so many embeddings does not know.

        kinds: of texts that it tells apart, of which `encode` gives no others; 0 where it tells none.
        """
        self.kinds = kinds
        try:
            around = encode_some(self.rust, ["a"], in_words=False)[0][0]  # with special tokens, of whatever numbers
        except DataError as error:
            raise WeightsError(str(error)) from None
        largest = max([*self.rust.get_vocab().values(), *around.tolist()], default=-1)
        if largest >= vocabulary:
            raise WeightsError(
                f"tokenizer: token number {largest}, but the network knows {vocabulary}; take its own tokenizer"
            )

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> Tokens:
        """Return the tokens of texts, or of pairs of texts, special ones in their places, at most `max_length` each.

        What is longer loses its end, the longer text of a pair first. DataError for a text without any token.
        """
        require_text([*texts, *(pairs or ())])
        given = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        tokens = encode_all(self.rust, given, max_length, in_words=False)
        kinds = int(tokens.types.max(initial=0)) + 1
        if self.kinds and kinds > self.kinds:
            raise DataError(f"the tokenizer tells {kinds} kinds of texts apart, the network {self.kinds}; take its own")
        return tokens

    def encode_words(self, texts: Sequence[Sequence[str]], *, max_length: int) -> Tokens:
        """Return the tokens of texts that come in words, each token with the number of its word."""
        require_text(list(chain.from_iterable(texts)))
        return encode_all(self.by_words, [list(words) for words in texts], max_length, in_words=True)


def encode_all(rust: "tokenizers.Tokenizer", given: list[Any], max_length: int, *, in_words: bool) -> Tokens:
    """Return the tokens of all that is given, some at a time."""
    least = rust.num_special_tokens_to_add(isinstance(given[0], tuple) if given else False) + 1
    if max_length < least:
        raise DataError(f"max_length {max_length}: expected at least {least}, so that a token of the text has room")
    rust.enable_truncation(max_length)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]] = []
    for start in range(0, len(given), AT_A_TIME):
        parts += encode_some(rust, given[start : start + AT_A_TIME], in_words=in_words)
    empty = [row for row, part in enumerate(parts) if not len(part[0])]
    if empty:
        raise DataError(f"text {empty[0]}: no token in it, as in {len(empty)} of {len(given)}; take empty texts out")
    starts = np.cumsum([0, *(len(part[0]) for part in parts)], dtype=np.int64)
    joined = (np.concatenate([np.zeros(0, np.int32), *(part[i] for part in parts)]) for i in range(3))
    return Tokens(*joined, starts=starts, truncated=np.array([part[3] for part in parts], bool))


def encode_some(
    rust: "tokenizers.Tokenizer", given: list[Any], *, in_words: bool
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, bool]]:
    """Return what `of_one` does for each of a few texts; DataError where the tokenizer's own file lets it fail."""
    try:
        return [of_one(each) for each in rust.encode_batch(given, is_pretokenized=in_words)]
    except BaseException as error:
        if not is_of_a_file(error):
            raise
        raise DataError(f"the tokenizer fails ({printable(first_line(error))[:200]}); take the network's own") from None


def is_of_a_file(error: BaseException) -> bool:
    """Tell whether an error says that a tokenizer's file is none, and not that a signal came or memory is exhausted.

    The library's own have no class, and those of Rust are no Exception.
    """
    usual = isinstance(error, (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError))
    return usual or type(error) is Exception or type(error).__name__ == "PanicException"


def of_one(encoded: "tokenizers.Encoding") -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Return numbers, types and words of one text, and whether it was cut."""
    words = [-1 if word is None else word for word in encoded.word_ids]
    arrays = (np.array(x, np.int32) for x in (encoded.ids, encoded.type_ids, words))
    ids, types, of_words = arrays
    return ids, types, of_words, bool(encoded.overflowing)


def require_text(texts: Sequence[str]) -> None:
    """Raise DataError for what is no text, or holds half of a character."""
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {row}: {type(text).__name__} {printable(text)[:40]}; expected text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = printable(text[error.start])
            raise DataError(f"text {row}: {half} at {error.start} is no character; expected Unicode") from None


def parts_of(described: Any) -> list[dict[str, Any]]:
    """Return a described pre-tokenizer, or those that it is a sequence of."""
    if not isinstance(described, dict):
        return []
    return [described, *chain.from_iterable(map(parts_of, described.get("pretokenizers", ())))]
