"""A tokenizer.json holds the padding and truncation that it was saved with; some programs apply them."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: other token numbers are other inputs, which a comparison names before all else."""
    return iter(())


ENTRY = Entry(
    name="tokenizer-padding",
    title="A tokenizer's stored padding: texts of one length, or their own",
    torch="transformers sets padding and truncation anew at every call, so what tokenizer.json stores does not show",
    tf="the library tokenizers, by itself, applies what the file stores: sentence encoders pad every text to 128 and "
    "cut what is longer",
    why="the file is the state of the object that was saved, its last settings included; graphs of one shape were glad "
    "of them",
    shows="long texts lose their end; a mean over all places counts padding, and every step costs as much as the "
    "longest possible text",
    mend_torch="tokenizer(texts, padding='longest', truncation=True, max_length=n), and the mask in every mean",
    mend_tf="tokenizer.no_padding() and tokenizer.no_truncation() before it is used, and the mask in every mean",
    probe=probe,
)
