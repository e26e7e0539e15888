"""A conversion that puts gamma where the variance belongs, or beta where the mean does."""

from collections.abc import Iterator
from itertools import combinations

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Look among a layer's starting tensors for two that one side has the other way round."""
    a, b = (trace.arrays(None, "weights") for trace in evidence.traces)
    layers: dict[str, list[str]] = {}
    rows = [row for row in evidence.verdict.rows if row.phase == "weights" and row.differs]
    for row in rows:
        layers.setdefault(row.name.rpartition(".")[0], []).append(row.name)
    for path, names in layers.items():
        for x, y in combinations(names, 2):
            if evidence.same(a[x], b[y]) and evidence.same(a[y], b[x]):
                first = next(row for row in rows if row.name in (x, y))
                leaves = " and ".join(name.rpartition(".")[2] for name in (x, y))
                detail = f"{leaves} of {path} are swapped"
                yield Finding(ENTRY.name, None, first.phase, first.name, first.relative, detail)


ENTRY = Entry(
    name="initial-weights-swapped",
    title="Converted weights: tensors of one shape in each other's place",
    torch="BatchNorm's tensors are weight, bias, running_mean, running_var in a state_dict, found by name",
    tf="BatchNormalization.get_weights() is [gamma, beta, moving_mean, moving_variance], found by position",
    why="all four are vectors of the channels, so no shape check finds a list in another order, such as that of a "
    "BatchNormalization without beta or of a file that sorts its names",
    shows="a fresh layer hides gamma for variance, both are 1, and beta for mean, both are 0; with trained weights the "
    "outputs are off from the first such layer on",
    mend_torch="go by names, model.load_state_dict(tensors, strict=True), and compare outputs with BatchNorm tensors "
    "drawn at random",
    mend_tf="assign by name, layer.gamma.assign(weight), layer.moving_variance.assign(running_var), not by position",
    probe=probe,
)
