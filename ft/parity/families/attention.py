"""Attention over heads, as one operation: how many heads, which scale, which positions see which."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ft.parity.families.reduction import softmax
from ft.parity.families.same import first


def fit(case: Any) -> str | None:
    """Return the self-attention that gives the output (N, T, C) from the tokens (N, T, C)."""
    packed, out = case.parameters.get("in_proj_weight"), case.parameters.get("weight")
    if packed is None or out is None or not case.inputs or case.inputs[0].ndim != 3:
        return None
    x = case.inputs[0]
    if packed.shape != (3 * x.shape[-1], x.shape[-1]) or case.output.shape != x.shape:
        return None
    return first(
        ((words, lambda f=f: f(x)) for words, f in kinds(case.parameters, x.shape[-1])), case.output, case.close
    )


def kinds(w: dict[str, np.ndarray], channels: int) -> Iterator[tuple[str, Any]]:
    """Yield attentions in words and as functions of tokens."""
    for heads in (h for h in range(1, channels + 1) if channels % h == 0):
        for words, scale in (
            ("", (channels // heads) ** -0.5),
            (", no scale", 1.0),
            (", scaled by all", channels**-0.5),
        ):
            for seen, causal in (("all positions", False), ("earlier positions", True)):
                for sides, axis in (("", -1), (", softmax over queries", -2)):
                    yield (
                        f"{heads} heads, {seen}{words}{sides}",
                        lambda x, h=heads, s=scale, c=causal, a=axis: attended(x, w, h, s, c, a),
                    )


def attended(x: np.ndarray, w: dict[str, np.ndarray], heads: int, scale: float, causal: bool, axis: int) -> np.ndarray:
    """Return self-attention of tokens."""
    n, t, c = x.shape
    product = x @ w["in_proj_weight"].T + w.get("in_proj_bias", 0.0)
    q, k, v = (z.reshape(n, t, heads, -1).transpose(0, 2, 1, 3) for z in np.split(product, 3, -1))
    scores = q @ k.transpose(0, 1, 3, 2) * scale
    if causal:
        scores = np.where(np.tril(np.ones((t, t), bool)), scores, -1e300)
    made = (softmax(scores, (axis % 4,)) @ v).transpose(0, 2, 1, 3).reshape(n, t, c)
    return made @ w["weight"].T + w.get("bias", 0.0)
