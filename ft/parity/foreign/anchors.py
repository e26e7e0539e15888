"""Which tensors of the other side may be an operation's, by the parameters that it takes."""

from collections.abc import Mapping

from ft.backend.operations import LayerCall
from ft.parity.foreign.states import Side

LOOPS = ("LSTM", "GRU", "SimpleRNN", "Bidirectional")
WHOLE = (  # layers of Keras's that are one operation, whatever they do inside
    *("BatchNormalization", "LayerNormalization", "GroupNormalization", "MultiHeadAttention", "RMSNormalization"),
    *LOOPS,
)
Names = Mapping[str, frozenset[str]]  # PyTorch's parameter -> Keras's variables with a part of it


def by_parameters(torch: Side, tf: Side, names: Names, number: int, *, alike: bool) -> list[int]:
    """Return the tensors of Keras's side that may be an operation's. alike: whether both are of one framework."""
    own = torch.parameters(torch.graph.operations[number])
    wanted = frozenset().union(*(names.get(name, frozenset()) for name in own))
    places = [i for i, held in torch.meeting if held == own]
    meeting = [i for i, held in tf.meeting if held & wanted]
    same = [i for i, held in tf.meeting if held == wanted]
    if alike and len(same) == len(places):  # layers are the same operations inside
        meeting = same
    if not wanted or not meeting:
        return []
    share = len(meeting) // len(places) if len(meeting) % len(places) == 0 else len(meeting)
    place = places.index(number) if share < len(meeting) or len(places) == 1 else 0
    chunk = meeting[place * share : (place + 1) * share] or meeting
    size = torch.graph.arrays[torch.graph.operations[number].outputs[0]].size
    shared = frozenset().union(*names.values())
    whole = [layer for layer in ([] if alike else tf.graph.layers) if does_all(tf, layer, chunk, wanted, shared)]
    tensors = [layer.output for layer in whole] + [tf.graph.operations[i].outputs[0] for i in reversed(chunk)]
    fitting = [tensor for tensor in tensors if tf.graph.arrays[tensor].size == size]
    return fitting[:1] or tensors[:1]


def does_all(tf: Side, layer: LayerCall, chunk: list[int], wanted: frozenset[str], shared: frozenset[str]) -> bool:
    """Tell whether a layer is one operation, which takes the wanted ones of the parameters that both models have."""
    if layer.kind not in WHOLE or not layer.first <= chunk[0] <= chunk[-1] <= layer.last:
        return False
    held = frozenset().union(*(held for i, held in tf.meeting if layer.first <= i <= layer.last))
    return held & shared <= wanted


def in_its_place(torch: Side, tf: Side, names: Names, layer: LayerCall) -> list[int]:
    """Return what the layer of the other side with the same parameters gives, of several calls the one in its place."""
    inside = (i for i, _ in torch.meeting if layer.first <= i <= layer.last)
    own = frozenset().union(*(torch.parameters(torch.graph.operations[i]) for i in inside))
    wanted = frozenset().union(*(names.get(name, frozenset()) for name in own))
    meeting = {i for i, held in tf.meeting if held & wanted}
    calls = [c for c in tf.graph.layers if c.kind in WHOLE and meeting.intersection(range(c.first, c.last + 1))]
    place = [c for c in torch.graph.layers if c.path == layer.path].index(layer)
    return [calls[place].output] if place < len(calls) else []
