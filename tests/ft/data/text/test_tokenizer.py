"""Tokens against transformers' tokenizers, on hostile text."""

import json
from itertools import chain
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from tokenizers import AddedToken, ByteLevelBPETokenizer

from ft.data.text import Tokenizer, open_tokenizer
from ft.data.text.open import SPECIAL, word_pieces
from ft.errors import DataError, RecipeError, WeightsError
from ft.system.extras import require_extra
from ft.weights.text_files import tokenizer_files
from ft.zoo import find_text_card

FOLDER = tokenizer_files(find_text_card("minilm_l6"))[0].parent
HOSTILE = [
    "",
    "   \t\n ",
    "A plain text, with CAPITALS and 12,345.67 numbers.",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m \u0130stanbul \u00df \ufb01ne",
    "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u202e\u05e9\u05dc\u05d5\u05dd\u202c \u0928\u092e\u0938\u094d\u0924\u0947",
    "\u6f22\u5b57\u304b\u306a\ud55c\uae00 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "nul\x00byte \x01\x7f\x85\xa0\u2028line\u2029para\ufeffbom \ufffd \U000e0001",
    "[SEP] [CLS] <s> </s> <|endoftext|> <mask>",
    "http://a.b/c?d=e&f#g don't can't we'll l'\u00e9t\u00e9 _under_ $5 ``q''",
    "x" * 101 + " " + "y" * 100,
    "ab\u0301" * 20_000,  # 100 kB without a space
    "word " * 20_000,
]
LENGTH = 64


def flat(lists) -> list:
    return list(chain.from_iterable(lists))


@pytest.fixture(scope="module")
def merges(tmp_path_factory) -> Path:
    """Write a small byte-level vocabulary by its usual two files, RoBERTa's special tokens among it."""
    folder = tmp_path_factory.mktemp("bpe")
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    trained.train_from_iterator(HOSTILE, vocab_size=600, special_tokens=special, show_progress=False)
    trained.save_model(str(folder))
    return folder


def ids_of(tokenizer: Tokenizer, texts=HOSTILE, **more) -> list[list[int]]:
    tokens = tokenizer.encode(texts, max_length=LENGTH, **more)
    return [part.tolist() for part in np.split(tokens.ids, tokens.starts[1:-1])]


def theirs(tokenizer, texts=HOSTILE, **more) -> list[list[int]]:
    return [tokenizer(text, truncation=True, max_length=LENGTH, **more)["input_ids"] for text in texts]


def test_word_pieces_are_those_of_transformers_fast_and_slow_tokenizer():
    from transformers import BertTokenizer
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    expected = theirs(BertTokenizer.from_pretrained(FOLDER))
    for name in ("tokenizer.json", "vocab.txt"):
        assert ids_of(open_tokenizer([FOLDER / name], architecture="bert")) == expected
    assert theirs(BertTokenizerLegacy(FOLDER / "vocab.txt")) == expected


@pytest.mark.parametrize("architecture", ["gpt2", "roberta"])
def test_byte_pairs_are_those_of_transformers(merges, architecture):
    import transformers

    kind = {"gpt2": "GPT2Tokenizer", "roberta": "RobertaTokenizer"}[architecture]
    files = {"vocab": str(merges / "vocab.json"), "merges": str(merges / "merges.txt")}
    mask = {"mask_token": AddedToken("<mask>", lstrip=True, normalized=False)} if architecture == "roberta" else {}
    expected = theirs(getattr(transformers, kind)(**files, **mask), texts := HOSTILE[1:])
    ours = open_tokenizer([merges / "vocab.json", merges / "merges.txt"], architecture=architecture)
    assert ids_of(ours, texts) == expected


def test_padding_and_truncation_of_the_file_are_reset():
    """The published tokenizer.json pads every text to 128 tokens, and cuts it there."""
    tokens = open_tokenizer([FOLDER / "tokenizer.json"], architecture="bert").encode(["a", "b " * 300], max_length=512)
    assert tokens.lengths.tolist() == [3, 302]
    assert not tokens.truncated.any()


def test_pairs_as_transformers_cuts_them():
    from transformers import BertTokenizer

    first, second = ["one two three", "a b c d e f g h", "a"], ["four", "x", "p q r s t u v w"]
    ours = open_tokenizer([FOLDER / "tokenizer.json"], architecture="bert").encode(first, second, max_length=8)
    pairs = zip(first, second, strict=True)
    their = [BertTokenizer.from_pretrained(FOLDER)(*pair, truncation=True, max_length=8) for pair in pairs]
    assert ours.ids.tolist() == flat(each["input_ids"] for each in their)
    assert ours.types.tolist() == flat(each["token_type_ids"] for each in their)
    assert ours.truncated.tolist() == [False, True, True]


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
def test_words_and_their_labels(merges, kind):
    import transformers

    words = [["Hug", "unbelievable", "\x00", "caf\u00e9s"], ["x"], ["one", "two"] * 9]
    if kind == "bert":
        ours = open_tokenizer([FOLDER / "tokenizer.json"], architecture="bert")
        their = transformers.BertTokenizer.from_pretrained(FOLDER)
    else:
        files = {"vocab": str(merges / "vocab.json"), "merges": str(merges / "merges.txt")}
        ours = open_tokenizer([merges / "vocab.json", merges / "merges.txt"], architecture=kind)
        name = "RobertaTokenizer" if kind == "roberta" else "GPT2Tokenizer"
        their = getattr(transformers, name)(**files, add_prefix_space=True)
    tokens = ours.encode_words(words, max_length=20)
    expected = [their(text, is_split_into_words=True, truncation=True, max_length=20) for text in words]
    assert tokens.ids.tolist() == flat(each["input_ids"] for each in expected)
    numbers = [[-1 if n is None else n for n in each.word_ids()] for each in expected]
    assert tokens.words.tolist() == flat(numbers)
    labels = tokens.label_tokens([[10 * row + i for i in range(len(text))] for row, text in enumerate(words)])
    first = [n for n in dict.fromkeys(numbers[0]) if n >= 0]  # the null byte is no token of BERT's
    assert [x for x in labels[: tokens.starts[1]] if x >= 0] == first
    assert (labels[tokens.words < 0] == -100).all()
    assert (labels >= 0).sum() == sum(len({n for n in row if n >= 0}) for row in numbers)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padded_on_either_side(side):
    tokens = open_tokenizer([FOLDER / "tokenizer.json"], architecture="bert").encode(["a", "b c"], max_length=8)
    given = tokens.padded([1, 0], length=5, pad=9, side=side)
    row = {"right": [101, 1037, 102, 9, 9], "left": [9, 9, 101, 1037, 102]}[side]
    assert given["ids"][1].tolist() == row
    assert given["mask"][1].tolist() == [int(x != 9) for x in row]
    assert given["ids"].dtype == given["mask"].dtype == given["types"].dtype == np.int64
    with pytest.raises(DataError, match="text 1: 4 tokens; expected 1 to 3"):
        tokens.padded([1], length=3, pad=0)


def test_what_is_no_text_is_refused_in_a_line(merges):
    bert = open_tokenizer([FOLDER / "tokenizer.json"], architecture="bert")
    gpt2 = open_tokenizer([merges / "vocab.json", merges / "merges.txt"], architecture="gpt2")
    for tokenizer, texts, said in [
        (bert, ["a", "b\ud800"], "text 1: .ud800 at 1 is no character"),
        (bert, ["a", 3.5], "text 1: float 3.5; expected text"),
        (gpt2, ["a", ""], "text 1: no token in it, as in 1 of 2"),
    ]:
        with pytest.raises(DataError, match=said):
            tokenizer.encode(texts, max_length=8)
    with pytest.raises(DataError, match="max_length 2: expected at least 3"):
        bert.encode(["a"], max_length=2)
    with pytest.raises(WeightsError, match="token number 30521, but the network knows 30000"):
        bert.require_fits(30000)
    bert.require_fits(30522)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", b"{}", "no tokenizer .Model missing"),
        ("tokenizer.json", b"\xff", "no UTF-8"),
        ("vocab.txt", b"a\nb\n", "vocabulary: no .PAD., .UNK."),
        ("tokenizer.json", None, "No such file"),
    ],
)
def test_files_that_hold_no_tokenizer(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        open_tokenizer([tmp_path / name], architecture="bert")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d["post_processor"]["special_tokens"]["[CLS]"].update(ids=[40000]), "token number 40000"),
        (lambda d: d["post_processor"]["special_tokens"]["[CLS]"].update(ids=[2**32 - 1]), "the tokenizer fails"),
        (lambda d: d["model"]["vocab"].pop("[UNK]") + d["model"]["vocab"].pop("a"), "the tokenizer fails .*UNK"),
        (lambda d: d["post_processor"]["single"][0]["SpecialToken"].update(type_id=2), "tells 3 kinds of texts"),
    ],
)
def test_a_file_that_leads_out_of_its_network_is_refused(tmp_path, spoil, said):
    described = json.loads(word_pieces("\n".join([*SPECIAL["bert"], "a", "##b"]), {}).to_str())
    spoil(described)
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    opened = open_tokenizer([tmp_path / "tokenizer.json"], architecture="bert")
    with pytest.raises((WeightsError, DataError), match=said) as caught:
        opened.require_fits(30522, 2) or opened.encode(["a"], max_length=8)
    assert str(caught.value).isprintable()


def test_a_signal_is_no_fault_of_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr("ft.data.text.open.read", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_tokenizer([tmp_path / "tokenizer.json"], architecture="bert")


def test_lower_case_is_what_the_settings_say(tmp_path):
    """Of a vocabulary that has a separator of lines as a token."""
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u2028\na\nA\n")
    for cased, number in [(True, 7), (False, 6)]:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": not cased}))
        tokens = open_tokenizer([tmp_path / "vocab.txt"], architecture="bert").encode(["A"], max_length=8)
        assert tokens.ids.tolist() == [2, number, 3]


def test_a_missing_extra_is_named():
    with pytest.raises(RecipeError, match=r'no_such and nor_such not installed; pip install "ft-parity\[text\]"'):
        require_extra("text", "no_such", "tokenizers", "nor_such")
