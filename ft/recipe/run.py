"""The run: what it is called, on what and how exactly it computes, which weights it ends with."""

from dataclasses import dataclass
from typing import Literal

from ft.errors import RecipeError
from ft.recipe.fields import option


@dataclass(frozen=True, kw_only=True)
class NameSection:
    """The first field under the heading "run", before all others."""

    name: str | None = option(None, "name of the run folder (default: MODEL-DATA)", group="run", decides={"title"})


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """The other fields under the heading "run"."""

    result: Literal["last", "best", "ema", "average"] = option(
        "last",
        "weights that the run ends with: of the last epoch, of the best val score, the moving average, or the mean "
        "of the best epochs",
        group="run",
        decides={"result"},
    )
    seed: int = option(
        0, "seed of everything random", group="run", decides={"order", "draws", "check", "step"}, at_least=0
    )
    precision: Literal["float32", "bfloat16", "float64"] = option(
        "float32",
        "type of weights and arithmetic; bfloat16: of products, weights and norms stay float32",
        group="run",
        decides={"base", "tensors", "step"},
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to compute; mps (Apple's GPU): PyTorch only, without float64", group="run", decides={"machine"}
    )
    deterministic: bool = option(
        True, "bit-identical weights for the same seed", group="run", decides={"base", "machine"}
    )
    compile: Literal["auto", "on", "off"] = option(
        "auto",
        "fold and compile the leading frozen stages; auto: where that pays; on: compile what trains, too",
        group="run",
        decides={"base"},
    )
    rank_timeout: float = option(
        300.0,
        "seconds that several processes which train together wait for one that does not answer",
        group="run",
        decides={"machine"},
        above=0,
        below=1e6,
    )
    bn_sync: Literal["on", "off"] = option(
        "on",
        "several processes: BatchNorm that learns sees the whole batch; off: each process's part alone, faster, but "
        "the result then depends on how many there are",
        group="run",
        decides={"update"},
    )

    def check_run(self) -> None:
        """Raise RecipeError for a type that the device does not have."""
        if self.device == "mps" and self.precision == "float64":
            raise RecipeError("precision: Apple's GPU has no float64; take float32, or --device cpu")

    @property
    def dtype(self) -> str:
        """The type of weights, slots, pixels and loss: bfloat16 is what products alone are computed in."""
        return "float32" if self.precision == "bfloat16" else self.precision
