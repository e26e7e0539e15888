"""All randomness of a training run: a pure function of what it is for, never of what was drawn before.

Two generators. `generator` is NumPy's Philox, for whatever is drawn on the host: data order, augmentation, initial
weights. SplitMix64 is for what is drawn inside a step (dropout, stochastic depth): an integer formula on int64 that
NumPy, PyTorch and TensorFlow compute bit for bit alike, so both wings drop the same units, and a resumed run goes on
with the masks that it would have had.

    bits[i] = mix(key + (i + 1) * GOLDEN)          the i-th output of SplitMix64 seeded with `key`
    key     = mix(layer_key(seed, name) + (step + 1) * GOLDEN)

`i` counts elements of the *global* batch in canonical N, C, H, W order, so neither accumulation nor sharding nor memory
layout changes a mask. The first outputs for key 1234567 are 6457827717110365317, 3203168211198807973,
9817491932198370423 (unsigned), the published test vector.
Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

import hashlib

import numpy as np

# The three constants of SplitMix64 as signed 64-bit integers, for the frameworks have no unsigned arithmetic.
GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
MIX2 = 0x94D049BB133111EB - (1 << 64)
UNIFORM_BITS = 24  # a threshold of 24 bits is exact in float32 and float64 alike


def generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return the Philox generator of one purpose ("order", "augment", "init") at one place (epoch, sample, ...)."""
    text = repr((int(seed), purpose, *(int(c) for c in counters)))
    key = np.frombuffer(hashlib.sha256(text.encode()).digest()[:16], dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def mix(z: np.ndarray) -> np.ndarray:
    """Return SplitMix64's output function of int64 `z`, any shape: xor-shift and multiply twice, xor-shift once."""
    u = np.asarray(z, np.int64).view(np.uint64)
    u = (u ^ (u >> np.uint64(30))) * np.uint64(MIX1 & 0xFFFFFFFFFFFFFFFF)
    u = (u ^ (u >> np.uint64(27))) * np.uint64(MIX2 & 0xFFFFFFFFFFFFFFFF)
    return (u ^ (u >> np.uint64(31))).view(np.int64)


def layer_key(seed: int, name: str) -> int:
    """Return the int64 key of the layer called `name` in a run with this seed."""
    digest = hashlib.sha256(f"{int(seed)}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def keep_threshold(p: float) -> int:
    """Return the number of 24-bit values that mean "drop", for a drop probability `p`."""
    return round(p * (1 << UNIFORM_BITS))


def keep_mask(seed: int, name: str, step: int, shape: tuple[int, ...], p: float, first: int = 0) -> np.ndarray:
    """Return the boolean mask, True where a unit is kept: the reference that both wings reproduce.

    shape: (N, ...) in canonical order (N, C, H, W); first: position of sample 0 in the global batch.
    """
    start = np.array([layer_key(seed, name)], np.int64)
    count = int(np.prod(shape))
    offset = first * (count // max(shape[0], 1))
    with np.errstate(over="ignore"):  # int64 arithmetic wraps, as SplitMix64 wants
        key = mix(start + np.int64(step + 1) * np.int64(GOLDEN))
        bits = mix(key + (np.arange(count, dtype=np.int64) + np.int64(offset + 1)) * np.int64(GOLDEN))
    top = bits.view(np.uint64) >> np.uint64(64 - UNIFORM_BITS)
    return (top >= np.uint64(keep_threshold(p))).reshape(shape)
