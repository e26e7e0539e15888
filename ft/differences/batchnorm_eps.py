"""BatchNorm adds 1e-5 to the variance in PyTorch, 1e-3 in Keras."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding, distance
from ft.parity.probes.batchnorm import Normalising, explains, normalisings


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Read off the eps of each side of every BatchNorm that differs, by the statistics that the side used itself."""
    for layer, a, b in normalisings(evidence):
        if not explains(layer.a, Normalising(a.mode, b.eps), close=evidence.close):
            detail = f"eps is {a.eps:.4g} in {evidence.a.label}, {b.eps:.4g} in {evidence.b.label}"
            error = distance(layer.a.output, layer.b.output)
            yield Finding(ENTRY.name, layer.step, layer.phase, layer.key, error, detail)


ENTRY = Entry(
    name="batchnorm-eps",
    title="BatchNorm: what is added to the variance",
    torch="divides by sqrt(variance + 1e-5)",
    tf="divides by sqrt(variance + 1e-3)",
    why="eps guards against a division by zero; each framework chose its own default",
    shows="outputs are off from the first BatchNorm on, in training and in inference: by 5e-4 where the variance is 1, "
    "by 30 % where it is 0.001",
    mend_torch="torch.nn.BatchNorm2d(channels, eps=1e-3)",
    mend_tf="keras.layers.BatchNormalization(epsilon=1e-5)",
    probe=probe,
)
