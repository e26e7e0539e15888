"""What the user should know of a comparison of strangers."""

from collections.abc import Iterator, Mapping

from ft.backend.description import Description
from ft.errors import listed
from ft.parity.foreign.agreement import trained
from ft.parity.foreign.ambiguous import Settled
from ft.parity.foreign.assignment import MOMENTUM, Assignment
from ft.parity.foreign.code import INPUTS, LOSS, OPTIMIZER
from ft.parity.foreign.pairing import VALUES, Pairing


def notes_on_type(used: str, asked: str) -> Iterator[str]:
    """Yield in which type both were compared where that is not the one that was asked for."""
    if used != asked:
        yield f"a model stays {used} where {asked} was asked for: both were compared in {used}"


def notes_on_assignment(
    assignment: Assignment, optimizers: Mapping[str, str], direction: str, giver: str
) -> Iterator[str]:
    """Yield what was done the same for any two models."""
    what = "samples" if assignment.inputs else "images"
    if giver:
        yield f"inputs: those of {INPUTS} of {'each module' if giver == 'both' else f'the module of {giver}'}"
    else:
        yield f"{assignment.batch_size} {what} a step, drawn from a normal distribution with seed {assignment.seed}"
    yield f"weights: copied {direction}"
    if assignment.steps and all(optimizers.values()):
        yield "optimizers: your own, " + ", ".join(f"{name} {word}" for name, word in optimizers.items())
    elif assignment.steps:
        numbers = f"lr {assignment.lr:g}, momentum {MOMENTUM:g}"
        yield f"optimizer: SGD in PyTorch's form, {numbers}; no {OPTIMIZER} in your modules"


def notes_on_loss(models: Mapping[str, Description], classes: int | None) -> Iterator[str]:
    """Yield what the loss is."""
    if next(iter(models.values())).own_loss:
        yield f"loss: your own, of {LOSS}"
    elif classes is None:
        yield "loss: the product of the outputs with numbers drawn from the seed"
    else:
        yield "loss: cross-entropy of the outputs, taken as logits, mean over the batch"


def notes_on_models(models: Mapping[str, Description], pairing: Pairing) -> Iterator[str]:
    """Yield what is particular to these models."""
    for (name, model), left in zip(models.items(), pairing.left, strict=True):
        if model.silenced:
            yield f"{name}: dropout and other noise set to 0: {listed(model.silenced)}"
        if left:
            yield f"{name}: constants without a partner, left as they are: {listed(p.name for p in left)}"
        yield from (f"{name}: {remark}" for remark in model.remarks)
    odd = [pair.torch for pair, torch, tf in trained(models, pairing) if torch != tf]
    if odd:
        yield f"trained in one model only: {listed(odd)}"


def notes_on_tries(tried: Settled) -> Iterator[str]:
    """Yield which parameters were found by trying, and how that went."""
    if tried.changed:
        taken = listed(f"{p.torch} = {p.keras}" for p in tried.pairs if p.rule == VALUES)
        how = "all results agree" if tried.agrees else "more operations agree, not all"
        yield f"parameters alike in shape, which order paired wrongly: {taken}; found in {tried.tried} tries, so {how}"
    elif tried.tried:
        yield f"{tried.tried} other assignments of parameters alike in shape were tried: none agrees better"
