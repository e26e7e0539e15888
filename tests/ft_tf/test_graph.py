"""Graphs of batches: one for each length of texts, each traced once, and nothing that TensorFlow warns of."""

import logging

import numpy as np
import tensorflow as tf

from ft_tf.graph import BatchGraphs

LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)


def doubled(inputs):
    return inputs["ids"] * 2


def test_lengths_and_runs_are_no_retracing():
    heard = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    try:
        for _ in range(3):  # runs in one process
            graphs = BatchGraphs(doubled, 4)
            for length in (*LENGTHS, *LENGTHS):
                for rows in (4, 3):
                    np.testing.assert_array_equal(graphs({"ids": tf.ones((rows, length), tf.int64)}), 2)
    finally:
        tf.get_logger().removeHandler(handler)
    assert heard == []
    made = [*graphs.whole.values(), *graphs.others.values()]
    assert [graph.experimental_get_tracing_count() for graph in made] == [1] * 2 * len(LENGTHS)
