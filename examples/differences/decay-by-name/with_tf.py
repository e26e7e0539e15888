"""Decay that a list of names keeps away from norms in Keras, whose variables are called gamma and beta; and by kind."""

import json

import keras
import tensorflow as tf

keras.config.set_floatx("float64")


def decayed(**left_out):
    """Return a norm's weights after one step without a gradient."""
    norm, dense = keras.layers.LayerNormalization(name="ln_1"), keras.layers.Dense(3, name="c_fc")
    block = keras.Sequential([keras.Input((3,)), norm, dense])
    left_out = {"var_list": norm.trainable_variables} if left_out.pop("by_kind", False) else left_out
    optimizer = keras.optimizers.AdamW(0.5, weight_decay=0.125)
    optimizer.exclude_from_weight_decay(**left_out)
    optimizer.apply([tf.zeros(w.shape, w.dtype) for w in block.trainable_variables], block.trainable_variables)
    return norm.gamma.numpy().tolist()


by_name, by_kind = decayed(var_names=["bias", "gamma", "beta"]), decayed(by_kind=True)
print(json.dumps({"default": by_name, "mended": by_kind}))
