"""The last token of a padded text: the last place, or the last one that is no padding."""

from collections.abc import Iterator
from itertools import takewhile

import numpy as np

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.tokens import mask_of, places_in
from ft.parity.trace import Trace


def probe(evidence: Evidence) -> Iterator[Finding]:
    """See which place of each text a layer takes that is given one vector a text."""
    places = [(None, "inference"), *((step, "forward") for step in range(evidence.a.facts["steps"]))]
    for step, phase in (place for place in places if place[1] in evidence.a.calls):
        for key in evidence.a.calls[phase]:
            if (step, phase, key) in evidence.parted and key in evidence.b.calls[phase]:
                ways = [way_of(evidence, trace, step, phase, key) for trace in evidence.traces]
                if None not in ways and ways[0] != ways[1]:
                    error = distance(*(evidence.side(t, step, phase, key).output for t in evidence.traces))
                    detail = f"{evidence.a.label}: {ways[0]}; {evidence.b.label}: {ways[1]}"
                    yield Finding(ENTRY.name, step, phase, key, error, detail)


def way_of(evidence: Evidence, trace: Trace, step: int | None, phase: str, key: str) -> str | None:
    """Return in words which place of the tokens a layer's input is, None where it is none."""
    mask, calls = mask_of(trace.arrays(step or 0, "batch")), trace.calls[phase]
    inputs = evidence.side(trace, step, phase, key).inputs if mask is not None else ()
    if mask is None or not inputs or inputs[0].ndim != 2 or len(inputs[0]) != len(mask):
        return None
    arrays = trace.arrays(step, phase)
    for before in reversed(list(takewhile(lambda other: other != key, calls))):
        tokens = arrays[before] if calls[before].axes in ("", "NTC") else np.empty(0)
        if tokens.shape == (*mask.shape, inputs[0].shape[1]):
            rows = np.arange(len(mask))
            ways = (words for words, at in places_in(mask) if evidence.same(tokens[rows, at], inputs[0]))
            if way := next(ways, None):
                return way
    return None


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
