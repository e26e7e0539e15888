"""Losses that are divided by how many boxes a step draws, which is known behind the forward pass only.

Ranks add their numbers up there. Of passes, one after the other, the later ones are not known yet: what each adds is
kept apart by divisor, and divided at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

Total = Callable[[tf.Tensor], tf.Tensor]


class Terms(NamedTuple):
    """Sums of a loss, T of them, and what each is divided by, (T,)."""

    sums: Sequence[tf.Tensor]
    counts: tf.Tensor


def shared(terms: Terms, total: Total, *, counts: tf.Tensor) -> tf.Tensor:
    """Return what this rank adds to the loss of all. counts: 0 where its samples only stand in."""
    counts = tf.cast(counts, terms.counts.dtype)
    divisors = tf.maximum(total(terms.counts * counts), 1)
    return tf.reduce_sum(tf.stack(terms.sums) * counts / divisors)


def apart(
    terms: Terms, parameters: Mapping[str, tf.Tensor], tape: tf.GradientTape, *, counts: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return sums and divisors of a pass, (2, T), and the sums' gradients (T, ...) of each parameter."""
    counts, unused = tf.cast(counts, terms.counts.dtype), tf.UnconnectedGradients.ZERO
    rows = [tape.gradient(x, dict(parameters), unconnected_gradients=unused) for x in terms.sums]
    gradients = {name: tf.stack([row[name] for row in rows]) * counts for name in parameters}
    return tf.stack([tf.stack(terms.sums), terms.counts]) * counts, gradients


def divided(
    sums: tf.Tensor, gradients: Mapping[str, tf.Tensor], total: Total
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return what this rank's passes add to loss and gradients of all, from sums of what `apart` returned."""
    shares = 1 / tf.maximum(total(sums[1]), 1)
    parts = {name: tf.reshape(shares, [-1, *[1] * (len(g.shape) - 1)]) * g for name, g in gradients.items()}
    return tf.reduce_sum(sums[0] * shares), {name: tf.reduce_sum(own, 0) for name, own in parts.items()}
