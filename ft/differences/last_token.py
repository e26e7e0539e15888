"""The last token of a padded text: the last place, or the last one that is no padding."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: which place was taken is no layer's setting, and a trace names the first array that differs."""
    return iter(())


ENTRY = Entry(
    name="last-token",
    title="The last token of a padded text",
    torch="transformers' GPT-2 takes the rightmost place whose number is not pad_token_id, on either side; a text that "
    "ends with that token loses it, and without a pad_token_id it refuses more than one text",
    tf="x[:, -1], as it is written by hand, is padding for all but the longest text where padding stands on the right",
    why="a decoder's last token has seen the whole text; batches are padded on the right for training and on the left "
    "for writing, and only the mask says which",
    shows="the longest text of a batch agrees, all others change with what they are batched with",
    mend_torch="x[range(len(x)), (mask * arange(T)).argmax(1)], by the mask and not by the number of a token",
    mend_tf="tf.gather(x, tf.argmax(mask * tf.range(T), 1), axis=1, batch_dims=1)",
    probe=probe,
)
