"""What the operations that differ are, in words: a member of a family on each side, fitted to its own numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ft.backend.operations import Graph, Operation
from ft.parity.evidence import AT, Finding
from ft.parity.families import Case, activation, attention, combination, members, order
from ft.parity.families.same import number, same
from ft.parity.finding_id import OUTPUTS, UNKNOWN
from ft.parity.foreign.anchors import WHOLE
from ft.parity.foreign.difference import Difference, channels_first
from ft.parity.foreign.forcing import Search
from ft.parity.foreign.sides import SIDES, framework_of
from ft.parity.foreign.values import apart, of_two_values

SHOWN = 4  # operations of Keras's that are listed
STOPS = {"torch": "detach", "tf": "StopGradient"}
WEIGHTED = ("conv", "linear", "addmm", "matmul")
NOTHING = "nothing after it"
SMALLER, ULPS = ("float32", "float16"), 8  # types; by how many ulps of one its rounding may differ in two ways
PARTS = 100  # of a difference: a hypothesis that is nearer tells the two sides apart


def explained(differences: Sequence[Difference], close: float, labels: tuple[str, str] = SIDES) -> list[Finding]:
    """Return differences as findings, a place each. labels: what the sides are called."""
    return [explain(difference, close, labels) for difference in differences]


def explain(difference: Difference, close: float, labels: tuple[str, str]) -> Finding:
    """Return a difference as a finding: certain where a family knows both sides as different members."""
    close, (one, other) = finest(difference, close), labels
    family, torch, tf, certain = named(difference, close)
    if framework_of(one) == "tf" and not certain:  # families know maps with their channels first
        turned = named(channels_first(difference), close)
        family, torch, tf, certain = turned if turned[3] or turned[0] != UNKNOWN else (family, torch, tf, certain)
    place = difference.operation.path or "model"
    at = f"{difference.operation.name} of {place}, in {other} of {difference.layer or 'the model itself'}"
    detail = f"{one}: {torch}; {other}: {tf}{AT}{at}" + share_words(difference.share)
    return Finding(family, None, "inference", place, difference.size, detail, certain, difference.part)


def finest(d: Difference, close: float) -> float:
    """Return how near a hypothesis must come to have computed one side, and not the other."""
    rounding = 16 * float(np.finfo(d.torch.dtype).eps) if d.torch.dtype.kind == "f" else close
    return min(close, max(d.size / PARTS, rounding))


def share_words(share: float) -> str:
    """Return how much of the difference of the results one alone makes."""
    return f"; alone it makes {100 * share:.3g} % of the results' difference" if abs(share - 1) > 1e-6 else ""


def named(d: Difference, close: float) -> tuple[str, str, str, bool]:
    """Return a family, what both sides are in it, and whether that is certain."""
    words = d.operation.words, listed_operations(d.other)
    if answer := rounded(d, close) or of_attention(d, close):
        return answer
    if of_two_values(d.torch) and (of_two_values(d.tf) or not d.tf.size):  # true and false, or what is added to scores
        return "mask", *words, False
    one, other = of_rows(d, close), of_rows(replace(d, torch=d.tf), close)
    if one and other and one != other:
        return "positions", one, other, True
    if answer := of_constants(d, close):
        return answer
    if d.reached and d.torch.shape == d.tf.shape and (answer := relation(d, close) or combined(d, close)):
        return answer
    half: tuple[str, str, str, bool] | None = None
    for family, torch, tf in readings(d, words, close):
        if torch and tf and torch != tf:
            return family, torch, tf, True
        if torch != tf:
            half = half or (family, torch or words[0], tf or words[1], False)
    if d.torch.shape == d.tf.shape and (answer := combined(d, close)):
        return answer
    if d.permuted:
        how = order.moved(d.torch, d.tf, close)
        if how not in (order.SHUFFLED, order.AS_IT_LIES):
            return "element order", "as it lies", how, True
        return "element order", words[0], f"the same numbers in another order ({words[1]})", False
    if d.torch.shape == d.tf.shape and (answer := relation(d, close)):
        return answer
    return half or (UNKNOWN, words[0], words[1], False)


def readings(d: Difference, words: tuple[str, str], close: float) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield what families take both sides for: by what both take in one order, in any, and before, and by their own."""
    ways = [(d.inputs, d.inputs, d.parameters)]
    ways += [(d.near, d.near, {})] if d.near and [x.shape for x in d.near] != [x.shape for x in d.inputs] else []
    ways += [((x,), (x,), {}) for x in d.further]
    ways += [d.own] if d.own else []
    for torch, tf, parameters in ways:
        sides = zip((torch, tf), (d.torch, d.tf), words, strict=True)
        one, other = (Case(inputs, parameters, y, told, close) for inputs, y, told in sides)
        yield from members(one, other)


def listed_operations(operations: Sequence[Operation]) -> str:
    """Return operations in words."""
    names = [operation.name for operation in operations]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "") or "nothing"


def rounded(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return the finding that one side rounds to a smaller type."""
    if d.torch.shape != d.tf.shape:
        return None
    for kind in ("float32", "float16"):
        with np.errstate(over="ignore"):
            images = [x.astype(kind).astype(np.float64) for x in (d.torch, d.tf)]
        exact = [bool(np.array_equal(image, x)) for image, x in zip(images, (d.torch, d.tf), strict=True)]
        if exact[0] != exact[1] and apart(images[0], images[1]) <= float(np.finfo(kind).eps):
            told = [kind if one else "float64" for one in exact]
            return "rounding", f"computed in {told[0]}", f"computed in {told[1]}", True
    return rounded_inside(d, close)


def rounded_inside(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return the finding that an operation rounds to a smaller type inside, on either side or both."""
    small = [kind for kind in d.types if kind in SMALLER]
    if not small or d.size > ULPS * float(np.finfo(small[0]).eps) or close > float(np.finfo(small[0]).eps):
        return None
    ways = [f"computed in {kind}" for kind in d.types]
    return "rounding", ways[0], ways[1] if ways[0] != ways[1] else f"{ways[1]}, too", True


def of_rows(d: Difference, close: float) -> str:
    """Return which rows of a table are added to what positions give, as learned positions are; "" where none are."""
    alike = [x for x in d.inputs if x.shape == d.torch.shape and x.dtype.kind == "f"]
    if len(alike) != 1 or d.torch.ndim < 2 or d.torch.shape != d.tf.shape:
        return ""
    added = d.torch - alike[0]
    scale = close * max(np.abs(d.torch).max(initial=0.0), 1e-300)
    if np.abs(added - added[:1]).max(initial=0.0) > scale:
        return ""
    for name, table in d.tables.items():
        if table.ndim == 2 and table.shape[1] == added.shape[-1]:
            far = np.abs(added[0].reshape(-1, 1, table.shape[1]) - table).max(2)
            if (far.min(1) <= scale).all():
                rows = far.argmin(1).tolist()
                return f"plus rows {', '.join(map(str, rows[:SHOWN]))}{' ...' * (len(rows) > SHOWN)} of {name}"
    return ""


def of_attention(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return the attentions, or their scores, that both sides compute, such as with two scales."""
    for inputs, parameters in ((d.inputs, d.parameters), (d.near, {})):
        torch, tf = (attention.fit(Case(inputs, parameters, y, close=close)) for y in (d.torch, d.tf))
        if torch and tf and torch != tf:
            return "attention", torch, tf, True
    return None


def of_constants(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return that both sides do the same with constants that are not: tables of angles, places, pixels' means."""
    shape = d.torch.shape
    for x in (x for x in (*d.near, *d.inputs) if fits(x, shape)):
        for own, other in (pair for pair in d.constants if fits(pair[0], shape) and not masks(*pair)):
            for words, make in (("x * a constant", np.multiply), ("x + a constant", np.add)):
                if same(make(x, own), d.torch, close) and same(make(x, other), d.tf, close):
                    return "constant", words, f"{words.replace('a c', 'another c')}, {unlike(own, other, close)}", True
    return None


def fits(x: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Tell whether an array may be a factor or a summand of one of a shape."""
    ends = zip(x.shape[::-1], shape[::-1], strict=False)
    return x.ndim <= len(shape) and all(side in (1, wide) for side, wide in ends)


def masks(*arrays: np.ndarray) -> bool:
    """Tell arrays that all are masks."""
    return all(map(of_two_values, arrays))


def unlike(x: np.ndarray, y: np.ndarray, close: float) -> str:
    """Return how one constant differs from another."""
    far = apart(x, y)
    if apart(np.sort(x, axis=None), np.sort(y, axis=None)) <= close:
        return f"the same numbers in another order ({order.moved(x, y, close)})"
    return f"{far:.2g} apart" + (", no more than float32's rounding" if far < ULPS * float(np.finfo("f4").eps) else "")


def combined(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return the sums that both sides make of what Keras's operations take, PyTorch's own output among it."""
    torch, tf = (combination.fit(Case(d.others, {}, y, close=close)) for y in (d.torch, d.tf))
    return ("combination", torch, tf, True) if torch and tf and torch != tf and len(d.others) > 1 else None


def relation(d: Difference, close: float) -> tuple[str, str, str, bool] | None:
    """Return how one side's output becomes the other's: a function after it, a factor, a mask."""
    for family, after in (("activation", activation.after), ("combination", combination.after)):
        if formula := after(d.torch, d.tf, close):
            return family, NOTHING, f"{formula} after it", True
        if formula := after(d.tf, d.torch, close):
            return family, f"{formula} after it", NOTHING, True
    changed = np.abs(d.torch - d.tf) > close * max(np.abs(d.torch).max(initial=0.0), np.abs(d.tf).max(initial=0.0))
    if factor := of_weight(d, close):
        return "combination", "its weight", factor, True
    for side, y in (("torch", d.torch), ("tf", d.tf)):
        constant = y[changed]
        if changed.any() and not changed.all() and same(constant, np.full_like(constant, constant[0]), close):
            value = f"{constant[0]:.6g} in place of {100 * changed.mean():.3g} % of the elements"
            return "mask", value if side == "torch" else "none", value if side == "tf" else "none", True
    return None


def of_weight(d: Difference, close: float) -> str:
    """Return by how much the other side's weight is larger, of each channel or of all, "" where that is not all."""
    if not d.operation.name.startswith(WEIGHTED) or d.torch.ndim < 2 or d.torch.shape != d.tf.shape:
        return ""
    axis = 1 if d.operation.name.startswith("conv") else d.torch.ndim - 1
    a, b = (np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for x in (d.torch, d.tf))
    bias = d.parameters.get("bias", np.zeros(len(a)))
    if bias.size != len(a):
        return ""
    a, b = a - bias.reshape(-1, 1), b - bias.reshape(-1, 1)
    factors = (a * b).sum(1) / np.maximum((a * a).sum(1), 1e-300)
    if not same(a * factors[:, None], b, close) or same(a, b, close):
        return ""
    if np.ptp(factors) <= close * np.abs(factors).max():
        return f"{number(factors[0])} times that"
    return f"that times {number(factors.min())} to {number(factors.max())}, a number for each output"


def stopped(torch: Graph, tf: Graph, search: Search) -> list[Finding]:
    """Return where a gradient is stopped on one side alone."""
    places = []
    for label, graph in zip(search.labels, (torch, tf), strict=True):
        side = framework_of(label)
        whole = {layer.path for layer in graph.layers if layer.kind in WHOLE}  # their own business
        stops = [op for op in graph.operations if op.name == STOPS[side] and not harmless(op, graph)]
        places.append([operation for operation in stops if operation.path not in whole])
    counts = [len(stops) for stops in places]
    if counts[0] == counts[1]:
        return []
    side = int(counts[1] > counts[0])
    operation = places[side][0]
    words = ["stopped" if side == i else "not stopped" for i in (0, 1)]
    one, other = search.labels
    detail = f"{one}: {words[0]}; {other}: {words[1]}; {operation.name} at {operation.path}"
    name = partner_path(operation, torch, search) if side else operation.path
    return [Finding("gradient", 0, "gradients", name or "model", np.inf, detail, True)]


def harmless(stop: Operation, graph: Graph) -> bool:
    """Tell a gradient that is stopped where it is zero anyway: that of a variance by the mean it is about."""
    takers = [op.name for op in graph.operations if set(stop.outputs) & set(op.inputs)]
    return bool(takers) and set(takers) == {"SquaredDifference"}


def partner_path(operation: Operation, torch: Graph, search: Search) -> str:
    """Return where in PyTorch's model the values of an operation of Keras's are."""
    alike = [number for number, partners in search.plain.same.items() if operation.outputs[0] in partners]
    makers = torch.makers()
    return next((torch.operations[makers[number]].path for number in alike if number in makers), operation.path)


def merged(catalogue: Sequence[Finding], operations: Sequence[Finding]) -> list[Finding]:
    """Return what the catalogue finds, of layers only where an operation differs, and the operations that it leaves.

    What differs in training alone, no operation of an inference pass shows. They come in the order of computation, each
    with what it makes alone: a layer of a trace differs by what is before it, too.
    """
    if not shown(operations):
        return [*catalogue, *operations]
    places = [finding.name for finding in operations]
    kept = [f for f in catalogue if f.phase not in OUTPUTS or in_training(f) or near(f.name, places)]
    told = [f.name for f in kept if f.phase == "inference"]
    alone = {f.name: f.error for f in reversed(operations) if f.phase == "inference"}
    kept = [replace(f, error=alone.get(f.name, f.error)) if f.phase == "inference" else f for f in kept]
    turns = [next((i for i, place in enumerate(places) if near(f.name, [place])), len(places)) for f in kept]
    rest = [(i, f) for i, f in enumerate(operations) if not any(inside(f.name, name) for name in told)]
    return [f for _, f in sorted([*zip(turns, kept, strict=True), *rest], key=lambda item: item[0])]


def shown(operations: Sequence[Finding]) -> bool:
    """Tell whether an operation differs in an inference pass: then no layer is to blame for anything else in it."""
    return any(finding.phase == "inference" for finding in operations)


def in_training(finding: Finding) -> bool:
    """Tell whether a layer is sure to differ in training alone: what it does in inference, too, is found there."""
    return finding.phase == "forward" and finding.certain


def inside(name: str, place: str) -> bool:
    """Tell whether a place is another, or inside of it."""
    return name == place or name.startswith(f"{place}.")


def near(name: str, places: Sequence[str]) -> bool:
    """Tell whether a place is one of several, or inside of one, or around it."""
    return any(inside(name, place) or inside(place, name) for place in places)
