"""Attention over heads, as one operation: how many heads, which scale, which positions see which."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ft.parity.families.reduction import softmax
from ft.parity.families.same import bounded, exactly, first, same

SEEN = (("all positions", False), ("earlier positions", True))
SIDES = (("", -1), (", softmax over queries", -2))


def fit(case: Any) -> str | None:
    """Return the attention that gives the output: of tokens, of queries, keys and values, or the scores alone."""
    inputs: list[np.ndarray] = list(case.inputs)
    if case.parameters:
        return fit_tokens(case)
    if len(inputs) == 2:
        return fit_scores(inputs[0], inputs[1], case.output, case.close)
    masks = [x for x in inputs if is_mask(x)]
    heads = [x for x in inputs if not any(x is mask for mask in masks)]
    if len(heads) == 3 and len(masks) <= 1:
        return fit_heads(heads[0], heads[1], heads[2], masks, case.output, case.close)
    return None


def fit_tokens(case: Any) -> str | None:
    """Return the attention that gives the output (N, T, C) from tokens, from others that they ask, and from a mask."""
    packed, out = case.parameters.get("in_proj_weight"), case.parameters.get("weight")
    tokens = [x for x in case.inputs if x.ndim == 3 and x.dtype.kind == "f"]
    masks = [x for x in case.inputs if not any(x is y for y in tokens)]
    if packed is None or out is None or not 1 <= len(tokens) <= 2 or len(masks) > 1:
        return None
    for x, asked in ((tokens[0], tokens[-1]), (tokens[-1], tokens[0])):
        if packed.shape != (3 * x.shape[-1], x.shape[-1]) or asked.shape[-1] != x.shape[-1]:
            continue
        for y in (case.output, case.output.swapaxes(0, 1)):  # inside, PyTorch has the tokens first
            if y.shape == x.shape:
                told = (
                    (words, lambda f=f, x=x, asked=asked: f(x, asked))
                    for words, f in kinds(case.parameters, x.shape[-1], *kept(masks, asked))
                )
                if words := first(told, y, case.close):
                    return words
    return None


def kept(masks: list[np.ndarray], asked: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return which tokens may be asked, in words, by a mask of these: those that it says, or the others."""
    mask = masks[0] if masks else np.zeros(0)
    if mask.shape != asked.shape[:2] or not np.isin(mask, (0, 1)).all():
        return []
    keep = mask[:, None, None, :] != 0
    return [("those that the mask keeps", keep), ("those that the mask leaves out", ~keep)]


def is_mask(x: np.ndarray) -> bool:
    """Tell what says which positions see which: truth values, or two numbers that are added to scores."""
    y = bounded(x)
    return x.dtype.kind != "f" or (x.size > 1 and bool(((y == y.min()) | (y == y.max())).all()))


def fit_heads(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, masks: list[np.ndarray], y: np.ndarray, close: float
) -> str | None:
    """Return the attention that gives the output (..., T, D) from heads of this shape; several may share a key."""
    if min(q.ndim, k.ndim, v.ndim) < 3 or k.shape != v.shape or q.shape != y.shape or q.shape[-1] != k.shape[-1]:
        return None
    ways = list(shared_heads(q, k, v))
    attentions = (
        (f"{seen}, scale {words}{sides}{how}", lambda k=k, v=v, s=scale, c=causal, a=axis: mixed(q, k, v, s, c, a))
        for how, k, v in ways
        for words, scale in scales(q.shape[-1])
        for seen, causal in (*SEEN, *seen_by(masks, (*q.shape[:-1], k.shape[-2])))
        for sides, axis in (SIDES if isinstance(causal, bool) else SIDES[:1])
    )
    return first(attentions, y, close)


def shared_heads(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield keys and values with as many heads as queries have, and how they are shared."""
    heads, kept = q.shape[-3], k.shape[-3]
    if heads == kept:
        yield "", k, v
    if q.ndim < 4 or heads % kept:
        return
    if heads > kept:
        times = heads // kept
        yield f", {times} queries after one another share a key", np.repeat(k, times, -3), np.repeat(v, times, -3)
        yield f", queries {kept} apart share a key", np.concatenate([k] * times, -3), np.concatenate([v] * times, -3)
    for groups in (g for g in range(2, heads) if heads == kept and heads % g == 0):
        words = f", heads of keys in {groups} groups, dealt out in turn"
        yield words, dealt_out(k, groups), dealt_out(v, groups)


def dealt_out(x: np.ndarray, groups: int) -> np.ndarray:
    """Return heads with the first of each group first, then the second ones, and so on."""
    parts = x.reshape(*x.shape[:-3], groups, -1, *x.shape[-2:])
    return np.swapaxes(parts, -4, -3).reshape(x.shape)


def seen_by(masks: list[np.ndarray], shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield which scores of a shape count by a mask, in words and as truth values."""
    for mask in masks:
        keep = mask == mask.max()
        wide = (keep, keep[:, None]) if keep.ndim > 2 else (keep, keep[:, None, None], keep[:, None, :, None])
        for way in wide:
            try:
                counts = np.broadcast_to(way, shape)
            except ValueError:
                continue
            yield "those that the mask keeps", counts
            yield "earlier ones that the mask keeps", counts & np.tril(np.ones(shape[-2:], bool))
            yield "those that the mask leaves out", ~counts


def fit_scores(q: np.ndarray, k: np.ndarray, y: np.ndarray, close: float) -> str | None:
    """Return the scale with which queries and keys give scores (..., T, T)."""
    if not 3 <= q.ndim == k.ndim == y.ndim or {q.dtype.kind, k.dtype.kind} != {"f"}:
        return None
    for a, b in product([*turned(q), *turned(k)], repeat=2):
        if a.shape[-1] != b.shape[-2] or y.shape != (*a.shape[:-1], b.shape[-1]) or a.shape[:-2] != b.shape[:-2]:
            continue
        made = (a @ b).astype(np.float64)
        scale = float((made * y).sum() / max((made**2).sum(), 1e-300))
        if same(scale * made, y, close):
            return f"scores, scale {exactly(scale)}"
    return None


def turned(x: np.ndarray) -> list[np.ndarray]:
    """Return an array with heads and positions, and with positions and channels, as they are and changed."""
    ways = [x, x.swapaxes(1, 2)] if x.ndim > 3 else [x]
    return [*ways, *(way.swapaxes(-1, -2) for way in ways)]


def scales(width: int, channels: int = 0) -> Iterator[tuple[str, float]]:
    """Yield the scales that scores of heads of a width may have, in words and as numbers."""
    for scale in dict.fromkeys((width**-0.5, float(np.float32(width**-0.5)), 1.0, (channels or width) ** -0.5)):
        yield exactly(scale), scale


def kinds(w: dict[str, np.ndarray], channels: int, *masks: tuple[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    """Yield attentions in words and as functions of tokens and of those that they ask."""
    for heads in (h for h in range(1, channels + 1) if channels % h == 0):
        for words, scale in scales(channels // heads, channels):
            for seen, causal in (*SEEN, *masks):
                for sides, axis in SIDES if isinstance(causal, bool) else SIDES[:1]:
                    yield (
                        f"{heads} heads, {seen}, scale {words}{sides}",
                        lambda x, asked, h=heads, s=scale, c=causal, a=axis: attended(x, asked, w, h, s, c, a),
                    )


def attended(
    x: np.ndarray, asked: np.ndarray, w: dict[str, np.ndarray], heads: int, scale: float, causal: Any, axis: int
) -> np.ndarray:
    """Return attention of tokens to others."""
    n, t, c = x.shape
    parts = np.split(w["in_proj_weight"], 3), np.split(np.broadcast_to(w.get("in_proj_bias", 0.0), 3 * c), 3)
    made = (z @ weight.T + bias for z, weight, bias in zip((x, asked, asked), *parts, strict=True))
    q, k, v = (z.reshape(n, -1, heads, c // heads).transpose(0, 2, 1, 3) for z in made)
    mixture = mixed(q, k, v, scale, causal, axis).transpose(0, 2, 1, 3).reshape(n, t, c)
    return mixture @ w["weight"].T + w.get("bias", 0.0)


def mixed(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: Any, axis: int) -> np.ndarray:
    """Return the values as the scores mix them, over heads (..., T, D). causal: that, or which scores count."""
    scores = q @ k.swapaxes(-1, -2) * scale
    if causal is not False:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)) if causal is True else causal, scores, -1e300)
    return softmax(scores, (axis % scores.ndim,)) @ v
