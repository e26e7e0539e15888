"""Which layer calls of two models belong together, where their parameters are paired."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace

from ft.backend.calls import Call, Calls
from ft.backend.description import Description
from ft.parity.foreign.pairing import Pair, matched, plain

ALIKE = {  # kinds of calls that stand for the same thing
    "relu6": "relu",
    "swish": "silu",
    "hardsilu": "hardswish",
    "mean": "avgpool",
    "adaptivemaxpool2d": "maxpool",
    "globalmaxpooling2d": "maxpool",
    "dropout2d": "dropout",
    "spatialdropout2d": "dropout",
    "zeropadding2d": "pad",
    "zeropad2d": "pad",
}


def pair_calls(torch: Description, tf: Description, pairs: Iterable[Pair]) -> dict[str, str]:
    """Return Keras's key -> PyTorch's key of every call whose partner is known.

    Layers with parameters follow these; the others pair by name, then by kind and the paired calls around them.
    """
    torch_layer, tf_layer = ({p.name: p.layer for p in side.parameters} for side in (torch, tf))
    both = [(tf_layer.get(pair.keras), torch_layer.get(pair.torch)) for pair in pairs]
    layers = {keras: own for keras, own in both if keras is not None and own is not None}  # a piece is no layer
    same = {
        key: layers[call.path] + key.removeprefix(call.path) for key, call in tf.calls.items() if call.path in layers
    }
    keys = {key: partner for key, partner in same.items() if partner in torch.calls}
    named = {plain(key): key for key in free(torch.calls, keys.values())}
    for key in free(tf.calls, keys):
        if plain(key) in named and tf.calls[key].path not in tf.automatic:
            keys[key] = named.pop(plain(key))
    while new := next(filter(None, (pair_around(torch, tf, keys, around) for around in (above, before, after))), None):
        keys |= new
    return keys


def pair_around(
    torch: Description, tf: Description, keys: Mapping[str, str], around: Callable[..., dict[str, Hashable]]
) -> dict[str, str]:
    """Return pairs of calls of one kind with the same surroundings: where their inputs come from, or neighbours."""
    sides = []
    for calls, names in ((torch.calls, {key: key for key in keys.values()}), (tf.calls, keys)):
        place = around(calls, names)
        sides.append([(key, (like(calls[key]), place[key])) for key in free(calls, names) if place[key] is not None])
    return {b: a for (a, _), (b, _) in matched(sides[0], sides[1], lambda item: item[1])}


def free(calls: Mapping[str, Call], taken: Iterable[str]) -> list[str]:
    """Return the keys of calls that have no partner yet."""
    taken = set(taken)
    return [key for key in calls if key not in taken]


def like(call: Call) -> str:
    """Return the kind of a call under a name that both frameworks share."""
    kind = call.kind.replace("_", "")
    return ALIKE.get(kind, kind)


def above(calls: Mapping[str, Call], names: Mapping[str, str]) -> dict[str, Hashable]:
    """Return, by call, the shared names of the nearest paired calls that its inputs come from, None for none."""
    by_call: dict[str, frozenset] = {}
    for key, call in calls.items():
        sources = (frozenset({names[s]}) if s in names else by_call.get(s, frozenset()) for s in call.inputs)
        by_call[key] = frozenset().union(*sources)
    return {key: sources or None for key, sources in by_call.items()}


def before(calls: Mapping[str, Call], names: Mapping[str, str]) -> dict[str, Hashable]:
    """Return, by call, the shared name of the last paired call before it, "" for none."""
    by_call, last = {}, ""
    for key in calls:
        last = names.get(key, last)
        by_call[key] = last
    return by_call


def after(calls: Mapping[str, Call], names: Mapping[str, str]) -> dict[str, Hashable]:
    """Return, by call, the shared name of the first paired call after it, "" for none."""
    return before({key: calls[key] for key in reversed(list(calls))}, names)


def rename_calls(calls: Calls, keys: Mapping[str, str]) -> None:
    """Give recorded calls other keys, in place; a key that is not in `keys` stays."""
    new = {key: keys.get(key, key) for key in calls.calls}
    calls.calls = {
        new[key]: replace(call, path=new[key].partition("#")[0], inputs=tuple(new.get(k, k) for k in call.inputs))
        for key, call in calls.calls.items()
    }
    arrays = ((name.partition("<"), array) for name, array in calls.arrays.items())
    calls.arrays = {new[key] + mark + number: array for (key, mark, number), array in arrays}
