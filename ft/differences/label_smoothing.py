"""Label smoothing and class weights: in one side's loss only, or divided by another number."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding
from ft.parity.probes.objective import Objective, find_objective


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Compute from each side's own logits, labels and gradient how its targets are smoothed and its classes weighed."""
    for row in evidence.verdict.rows:
        if row.phase == "loss" and row.differs and row.step is not None:
            objectives = [find_objective(evidence, trace, row.step) for trace in evidence.traces]
            if objectives[0] is None or objectives[1] is None or alike(objectives[0], objectives[1], evidence.close):
                continue
            labels = evidence.a.arrays(row.step, "batch")["labels"]
            texts = [describe(objective, list(labels)) for objective in objectives if objective is not None]
            detail = f"{evidence.a.label}: {texts[0]}; {evidence.b.label}: {texts[1]}"
            yield Finding(ENTRY.name, row.step, row.phase, row.name, row.relative, detail)


def alike(a: Objective, b: Objective, close: float) -> bool:
    """Tell whether two objectives smooth and weigh alike."""
    if a.weights.keys() != b.weights.keys() or abs(a.smoothing - b.smoothing) > close:
        return False
    return all(abs(a.weights[c] - b.weights[c]) <= close * max(a.weights[c], b.weights[c]) for c in a.weights)


def describe(objective: Objective, labels: list[int]) -> str:
    """Return how a side smooths its targets or weighs its classes."""
    if not objective.weights:
        return f"label smoothing {objective.smoothing:.6g}" if objective.smoothing else "no smoothing, no class weights"
    total = sum(objective.weights[int(label)] for label in labels)
    return "class weights, " + ("divided by their sum" if abs(total - 1) < 1e-6 else f"whose sum is {total:.6g}")


ENTRY = Entry(
    name="label-smoothing",
    title="Label smoothing and class weights",
    torch="CrossEntropyLoss(label_smoothing=0.1) takes integer labels; with weight=w its mean is divided by the sum of "
    "the weights in the batch",
    tf="CategoricalCrossentropy(label_smoothing=0.1) wants one-hot labels, the sparse loss knows no smoothing; with "
    "class_weight or sample_weight the mean is divided by the batch size",
    why="a weighted mean is one thing, a mean of weighted losses another; each framework chose one",
    shows="the loss is larger by a few tenths with smoothing; with class weights the factor between the two changes "
    "from batch to batch, and works like another learning rate",
    mend_torch='F.cross_entropy(z, y, weight=w, reduction="sum") / len(y), to divide by the batch size',
    mend_tf="divide the weighted sum by tf.reduce_sum(sample_weight); and keras.ops.one_hot(y, classes) for smoothing",
    probe=probe,
)
