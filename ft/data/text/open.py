"""A tokenizer from its files: tokenizer.json, or a vocabulary as BERT's and GPT-2's first releases had it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft.data.text.tokenizer import Tokenizer, is_of_a_file
from ft.errors import RunError, WeightsError, first_line, listed, printable
from ft.system.extras import require_extra
from ft.system.reading import MEND, parsed, read_bytes

if TYPE_CHECKING:
    import tokenizers

LARGEST = 1 << 28  # bytes of a file
SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "gpt2": ("<|endoftext|>",),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}


def open_tokenizer(files: Sequence[Path], *, architecture: str) -> Tokenizer:
    """Return the tokenizer that files hold: tokenizer.json; vocab.txt; or vocab.json and merges, by either name.

    architecture: bert, distilbert, roberta or gpt2, for a vocabulary does not say what to do with it. Whether vocab.txt
    is for lower case says a tokenizer_config.json beside it. WeightsError, one line, for what is none.
    """
    require_extra("text", "tokenizers")
    import tokenizers

    names = [path.name for path in files]
    try:
        if names == ["tokenizer.json"]:
            return Tokenizer(tokenizers.Tokenizer.from_str(read(files[0])))
        if names == ["vocab.txt"] and architecture in ("bert", "distilbert"):
            return Tokenizer(word_pieces(read(files[0]), settings_beside(files[0])))
        if len(files) == 2 and architecture in ("gpt2", "roberta"):
            return Tokenizer(byte_pairs(json.loads(read(files[0])), read(files[1]), architecture))
    except (RunError, WeightsError):
        raise
    except BaseException as error:
        if not is_of_a_file(error):
            raise
        raise WeightsError(
            f"{printable(files[0])}: no tokenizer ({printable(first_line(error))[:200]}); take the network's"
        ) from None
    raise WeightsError(f"{listed(names)}: no files of a tokenizer of {architecture}; expected tokenizer.json")


def read(path: Path) -> str:
    """Return the text of a file; WeightsError where it cannot be read or is no UTF-8."""
    try:
        return read_bytes(path, most=LARGEST).decode()
    except OSError as error:
        raise WeightsError(f"{printable(path)}: {error.strerror or error}; expected a file of a tokenizer") from None
    except RunError as error:
        raise WeightsError(str(error).removesuffix(MEND) + "take the network's") from None
    except UnicodeDecodeError:
        raise WeightsError(f"{printable(path)}: no UTF-8; expected a file of a tokenizer") from None


def settings_beside(vocabulary: Path) -> Mapping[str, Any]:
    """Return what tokenizer_config.json says, nothing where there is none."""
    path = vocabulary.with_name("tokenizer_config.json")
    settings = parsed(read(path).encode(), path) if path.is_file() else {}
    return settings if isinstance(settings, dict) else {}


def word_pieces(lines: str, settings: Mapping[str, Any]) -> "tokenizers.Tokenizer":
    """Return BERT's tokenizer: a token a line, numbered from 0."""
    from tokenizers import Tokenizer as Rust
    from tokenizers import models, normalizers, pre_tokenizers, processors

    # by "\n" alone, for a vocabulary holds other characters at which splitlines splits
    words = [line.rstrip("\r") for line in lines.removesuffix("\n").split("\n")]
    numbers = {word: number for number, word in enumerate(words)}
    require_known(numbers, "bert")
    rust = Rust(models.WordPiece(numbers, unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rust.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, numbers[token]) for token in ("[CLS]", "[SEP]")],
    )
    rust.add_special_tokens(list(SPECIAL["bert"]))
    return rust


def byte_pairs(numbers: Mapping[str, int], merges: str, architecture: str) -> "tokenizers.Tokenizer":
    """Return GPT-2's tokenizer, or RoBERTa's, which is the same but for its special tokens."""
    from tokenizers import AddedToken, models, pre_tokenizers, processors
    from tokenizers import Tokenizer as Rust

    require_known(numbers, architecture)
    lines = [line for line in merges.split("\n") if line.strip() and not line.startswith("#version")]
    pairs = [(one, other) for one, other in map(str.split, lines)]
    rust = Rust(models.BPE(dict(numbers), pairs, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False))
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # a mask stands for a word with the space before it
    rust.add_special_tokens([AddedToken(t, lstrip=t == "<mask>", normalized=False) for t in SPECIAL[architecture]])
    if architecture == "roberta":
        ends = [(token, numbers[token]) for token in ("</s>", "<s>")]
        rust.post_processor = processors.RobertaProcessing(*ends, trim_offsets=True, add_prefix_space=False)
    return rust


def require_known(numbers: Mapping[str, int], kind: str) -> None:
    """Raise WeightsError where a special token has no number: the library would give it a new one."""
    lacking = [token for token in SPECIAL[kind] if token not in numbers]
    if lacking:
        raise WeightsError(f"vocabulary: no {listed(lacking)} in it; expected that of a {kind}")
