"""Which weights decay: lists of names that fit one architecture and not the next."""

from collections.abc import Iterator

from ft.differences.entry import Entry
from ft.parity.evidence import Evidence, Finding


def probe(evidence: Evidence) -> Iterator[Finding]:
    """Find nothing: a norm that decays on one side is told by the probe of weight decay's amount, if at all."""
    return iter(())


ENTRY = Entry(
    name="decay-by-name",
    title="Weight decay: weights that are left out by their names",
    torch='AdamW decays all parameters of a group; scripts leave out ["bias", "LayerNorm.weight"], which fits BERT and '
    "misses GPT-2's ln_1.weight and torchvision's norms",
    tf='optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"]) matches parts of paths, so a layer '
    "called bias_net is left out whole",
    why="biases and norms have no direction that decay would shorten; which they are is told by the kind of the layer, "
    "and names are what scripts had at hand",
    shows="LayerNorm's weights shrink by lr * decay a step on one side, by 1 % in 1000 steps at 1e-3 and 0.01",
    mend_torch="two groups by isinstance(module, nn.LayerNorm) and by leaf name bias, not by lists",
    mend_tf="exclude_from_weight_decay(var_list=[...]) with the variables of keras.layers.LayerNormalization",
    probe=probe,
)
