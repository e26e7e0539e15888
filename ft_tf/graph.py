"""Functions as TensorFlow's graphs: without AutoGraph, and one for whole batches."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

# targets that are as many as a batch has
COUNTED = ("boxes", "box_labels", "masks", "points")
COUNTED += ("own_boxes", "own_labels", "own_aside", "own_masks", "own_points", "own_areas")


def as_graph(function: Callable[..., Any], signature: Sequence[tf.TensorSpec] | None = None) -> Callable[..., Any]:
    """Return tf.function of a function whose Python does not branch on tensors, as no layer's here does.

    Without AutoGraph, which rewrites the source of each function first: an inference graph is made in half the time.
    In a partial, for TensorFlow counts tracings by a function's code: several runs in one process, or a graph for each
    length of texts, look to it like one function that is traced again and again, of which it warns.
    """
    return tf.function(partial(function), signature, autograph=False)


class BatchGraphs:
    """The graphs of a function of a batch: one for whole batches, one for those of any other number of samples.

    Of texts both for each length.

    A graph that knows the number rounds otherwise than one that does not. With reduce_retracing TensorFlow makes the
    first for the size that comes first, and a run that goes on before a short batch meets the sizes in another order.
    """

    def __init__(self, function: Callable[..., Any], batch_size: int) -> None:
        self.function, self.batch_size = function, batch_size
        self.whole: dict[tuple[tf.TensorShape, ...], Callable[..., Any]] = {}  # by shape of the inputs
        self.others: dict[str, Callable[..., Any]] = {}  # by shape of a sample, types and names

    def __call__(self, inputs: Any, *tensors: Any) -> Any:
        """Run a batch, one tensor or several by name; of the others the first, if any, are the targets, by name."""
        targets = tensors[0] if tensors and isinstance(tensors[0], Mapping) else {}
        shapes, padded = tuple(x.shape for x in tf.nest.flatten(inputs)), has_sizes(inputs)
        whole = shapes[0][0] == self.batch_size
        if whole and not padded and not any(name in COUNTED for name in targets):
            if shapes not in self.whole:
                self.whole[shapes] = as_graph(self.function)
            return self.whole[shapes](inputs, *tensors)
        rows = self.batch_size if whole else None
        samples = tf.nest.map_structure(lambda x: tf.TensorSpec((rows, *x.shape[1:]), x.dtype), (inputs, *tensors[:1]))
        for name in set(targets) & set(COUNTED):
            x = targets[name]
            inner = (None, None) if padded and name == "masks" else x.shape[2:]
            samples[1][name] = tf.TensorSpec((rows, None, *inner), x.dtype)
        if padded:  # one graph for all sizes
            x = inputs["images"]
            samples[0]["images"] = tf.TensorSpec((rows, None, None, x.shape[3]), x.dtype)
        signature = (*samples, *(tf.TensorSpec(x.shape, x.dtype) for x in tensors[1:]))
        if (key := str(signature)) not in self.others:  # targets by name have no hash
            self.others[key] = as_graph(self.function, signature)
        return self.others[key](inputs, *tensors)


def has_sizes(inputs: Any) -> bool:
    """Tell whether these are padded images, of another size in each batch."""
    return isinstance(inputs, Mapping) and "sizes" in inputs
