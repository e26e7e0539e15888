"""The card of a network: everything about it that is not code."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ft.data.preprocess import Preprocess
from ft.errors import RecipeError, WeightsError, listed, unknown


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """One published set of weights: where it comes from, how to check it, and what pixels it wants.

    sha256 is the whole digest or a prefix; `package` names the registry package that ships the file, if one does.
    """

    name: str
    filename: str
    sha256: str
    url: str | None = None
    package: str | None = None
    preprocess: Preprocess
    top1: float | None = None
    licence: str = "BSD-3-Clause"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One network: its stages from input to head, its published weights, its size.

    stages: stage name -> prefixes of the module paths that belong to it; every parameter is in exactly one stage, and
    the last stage is "head", a single module. `last` is the path of the layer that gives the logits. `dropout` and
    `stochastic_depth` are the rates that the network was published with, None where it has no such layer. `renames`
    turns the tensor names of the published file into canonical ones.
    """

    name: str
    family: str
    parameters: int
    stages: dict[str, tuple[str, ...]]
    last: str
    pretrained: tuple[Pretrained, ...]
    dropout: float | None = None
    stochastic_depth: float | None = None
    renames: Callable[[str], str] = field(default=lambda name: name, repr=False)

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of the default weights."""
        return self.pretrained[0].preprocess

    @property
    def head(self) -> str:
        """The module path of the head."""
        return self.stages["head"][0]

    def noise(self, *, dropout: float | None, stochastic_depth: float | None) -> dict[str, float]:
        """Return the keywords for the noise layers that this network has; a rate for one that it lacks is refused."""
        rates = {}
        for name, asked, own in (
            ("dropout", dropout, self.dropout),
            ("stochastic_depth", stochastic_depth, self.stochastic_depth),
        ):
            if own is not None:
                rates[name] = own if asked is None else asked
            elif asked:
                raise RecipeError(f"{name}: {self.name} has no such layer; leave {name} out or take another network")
        return rates

    def weights(self, name: str) -> Pretrained:
        """Return the published weights called `name`; "imagenet" is the first entry."""
        if name == "imagenet":
            return self.pretrained[0]
        for entry in self.pretrained:
            if entry.name == name:
                return entry
        known = ["imagenet", *(entry.name for entry in self.pretrained)]
        raise WeightsError(f"{self.name}: {unknown('weights', name, known)}")

    def stage_of(self, name: str) -> str:
        """Return the stage that the tensor or module called `name` belongs to."""
        for stage, prefixes in self.stages.items():
            if under(name, prefixes):
                return stage
        raise RecipeError(f"{self.name}: '{name}' is in none of its stages ({listed(self.stages)})")


def under(name: str, prefixes: tuple[str, ...]) -> bool:
    """Tell whether a dotted name is one of `prefixes` or lies below one."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)
