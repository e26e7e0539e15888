"""A model, an optimizer and one native training step: the file to open first when learning how PyTorch does it."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ft.backend.objective import Objective
from ft.backend.ranks import ALONE
from ft.data import Batch, Features, Given, Inputs, Padded, Pixels, TokenIds
from ft.network.freeze import Freeze
from ft.recipe import Recipe
from ft.training.accumulation import Part, parts_of, sizes_of
from ft.training.averaging import is_averaged
from ft.training.penalty import plan_penalty
from ft.zoo import Card
from ft_torch import drawn, layers
from ft_torch.average import Average
from ft_torch.freeze import apply_freeze, set_training_mode
from ft_torch.frozen import Prefix, Taps, Trained, apart, split_prefix
from ft_torch.optim import Optimizer, clip_gradients, make_optimizer, total_norm
from ft_torch.penalty import Penalty
from ft_torch.pixels import look_up
from ft_torch.precision import computing
from ft_torch.tasks import TASKS
from ft_torch.weights import get_weights, parameters, set_weights, to_array

Outputs = dict[str, Tensor]
Result = tuple[Tensor, Tensor, Outputs, dict[str, Tensor]]  # loss, right, outputs, gradients


class Learner:
    """Trains one model by one recipe; arrays go in and come out as NumPy, in N, H, W, C where they are images.

    Where it is given Features, what the frozen base made of the images, only the head runs. objective: what the steps
    minimise; ranks: the processes that train together, each given its part of a batch.
    """

    optimizer: Optimizer
    prefix: Prefix | None  # the frozen stages that run ahead of the rest; None: the network runs as one
    trained: Trained | None  # what trains, where it is compiled

    def __init__(
        self,
        model: nn.Module,
        *,
        card: Card,
        plan: Freeze,
        recipe: Recipe,
        objective: Objective,
        device: str = "cpu",
        ranks: Any = ALONE,
    ) -> None:
        # channels-last is the layout that the CPU's and the GPU's convolutions are fastest in
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.card, self.recipe, self.objective = card, recipe, objective
        self.device, self.dtype, self.ranks = device, getattr(torch, recipe.dtype), ranks
        layers.seed_noise(model, recipe.seed)
        self.base, self.head = apart(model, card)
        self.terms = TASKS[objective.task].terms if objective.drawn else None  # see drawn.py
        self.apart = self.terms if recipe.accumulate > 1 else None  # of passes, whose sums stay apart until the last
        self.set_plan(plan)

    def set_plan(self, plan: Freeze) -> None:
        """Train by this plan from here on. What trained before keeps its slots, what is new starts with fresh ones."""
        kept = self.get_slots() if hasattr(self, "optimizer") else {}
        self.plan, self.prefix, self.trained = plan, None, None
        apply_freeze(self.model, plan)
        trained = {name: w for name, w in parameters(self.model).items() if name in plan.trainable}
        shapes = {name: tuple(w.shape) for name, w in trained.items()}
        self.optimizer = make_optimizer(trained, recipe=self.recipe, rates=plan.rates)
        self.penalty = Penalty(trained, plan_penalty(self.recipe, self.card, shapes))
        self.average = self.make_average(trained) if self.recipe.ema else None
        if kept:
            self.set_slots({**self.get_slots(), **kept})
        # an auxiliary head counts only where it is taught; with weights of 0 alone it is not even computed
        taught = {self.card.stage_of(name) for name in plan.trainable}
        self.auxiliary = [w if self.card.stage_of(path) in taught else 0.0 for path, w in self.card.auxiliary.items()]

    def run_ahead(self, *, compiled: bool, say: Callable[[str], None]) -> None:
        """Run the frozen stages that the network begins with ahead of the rest from here on, BatchNorm folded.

        Until the next plan or the next weights, for folded weights do not follow those that they were made of.
        compiled: compile them, too; say: is told at the first whole batch what became of it.
        """
        self.prefix = split_prefix(self.model, self.card, self.plan, batch_size=self.recipe.batch_size, say=say)
        if self.prefix is None:
            say(f"compile: {self.card.name} does not come apart behind its frozen stages; it runs as one")
        elif compiled:
            self.prefix.sizes = sizes_of(self.recipe, self.ranks)
        else:
            self.prefix.fold(self.recipe.precision)

    def compile_trained(self, *, say: Callable[[str], None]) -> None:
        """Compile what trains, forward and backward, until the next plan or the next weights.

        say: is told at the first whole batch what became of it, and at once where that is not done.
        """
        if self.ranks.size > 1 and layers.learns(self.model, self.plan):
            say("compile: what trains runs uncompiled, for its BatchNorm learns from the parts of all ranks")
            return
        behind = self.prefix.rest if self.prefix else self.model
        self.trained = Trained("what trains", behind, batch_size=self.recipe.batch_size, say=say)
        self.trained.sizes = sizes_of(self.recipe, self.ranks)

    def run_as_one(self) -> None:
        """Run the network as one again, with the weights that it has by then."""
        self.prefix, self.trained = None, None

    def make_average(self, trained: Mapping[str, Tensor]) -> Average:
        """Return the moving average of what trains and of the BatchNorm statistics that move."""
        assert self.recipe.ema is not None
        statistics = {
            name: buffer
            for name, buffer in self.model.named_buffers()
            if is_averaged(name) and not self.plan.is_still(name)
        }
        return Average({**trained, **statistics}, decay=self.recipe.ema, warmup=self.recipe.ema_warmup)

    def step(self, batch: Batch, *, step: int, lr: np.float64, first: int = 0) -> Tensor:
        """Do training step number `step` and return its probes on the device, to be fetched later.

        batch: of images (N, H, W, 3) or Features; first: position of its sample 0 in the global batch.
        Probes: loss, norms of the gradient, of the trained weights and of their update, and how many samples are right.
        """
        loss, right, _, gradients = self.loss_and_gradients(batch, step, first)
        update = self.apply(gradients, lr)
        if self.average:
            self.average.update(step)
        weights = [w.detach() for w in self.optimizer.parameters.values()]
        norms = [total_norm(tensors) for tensors in (list(gradients.values()), weights, update)]
        return torch.stack([loss.detach(), *norms, right])

    def gradients(
        self, batch: Batch, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and every gradient of a step without its update; BatchNorm statistics do move."""
        loss, _, outputs, gradients = self.loss_and_gradients(batch, step, first)
        return loss.item(), as_arrays(outputs), {name: to_array(g) for name, g in gradients.items()}

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        tensors = {name: torch.from_numpy(g).to(self.device) for name, g in gradients.items()}
        update = self.apply(tensors, lr)
        return {name: to_array(x) for name, x in zip(self.optimizer.parameters, update, strict=True)}

    def apply(self, gradients: Mapping[str, Tensor], lr: np.float64) -> list[Tensor]:
        """Clip, update, and return what was subtracted from each weight."""
        clipped = clip_gradients(gradients, norm=self.recipe.clip_norm, value=self.recipe.clip_value)
        return self.optimizer.update(clipped, float(lr))

    def loss_and_gradients(self, batch: Batch, step: int, first: int) -> Result:
        """Run forward and backward in training mode, part by part; return what they make of the whole batch."""
        set_training_mode(self.model, self.plan)
        if self.auxiliary and not any(self.auxiliary):
            self.model.training = False  # the network's own flag, not its layers': no auxiliary logits
        part, *others = parts_of(batch, self.recipe, self.objective)
        loss, right, outputs, gradients = self.part_gradients(batch, step, first, part)
        for part in others:
            more = self.part_gradients(batch, step, first, part)
            loss, right = loss + more[0], right + more[1]
            outputs = {name: torch.cat([x, more[2][name]]) for name, x in outputs.items()}
            gradients = {name: g + more[3][name] for name, g in gradients.items()}
        if self.apart:
            loss, gradients = drawn.divided(loss, gradients, self.ranks.total)
        if self.ranks.size > 1:
            loss, right, gradients = self.of_all_ranks(loss, right, gradients)
        loss, gradients = self.penalty.add(loss, gradients)
        return loss, right, outputs, gradients

    def of_all_ranks(
        self, loss: Tensor, right: Tensor, gradients: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the sums over the ranks, whose parts of the loss have their share of it already."""
        own = [*gradients.values(), loss, right.to(loss.dtype)]
        *sums, loss, right = self.ranks.add_up(own, [*self.optimizer.parameters.values(), loss, loss])
        return loss, right, dict(zip(gradients, sums, strict=True))

    def part_gradients(self, batch: Batch, step: int, first: int, part: Part) -> Result:
        """Return what one part adds to loss, right samples and gradients, and its outputs."""
        own = batch.rows(part.rows)
        clock, sync = torch.tensor([step, first + part.first], device=self.device), self.recipe.bn_sync == "on"
        together = layers.synchronised(self.model, self.ranks, counts=part.counts, sync=sync)
        targets = {name: torch.from_numpy(x).to(self.device) for name, x in own.targets.items()}
        with layers.noise(self.model, clock), together:
            outputs = self.forward(self.load(own.inputs), targets)
        detached = {name: x.detach() for name, x in outputs[0].items()}
        right = TASKS[self.objective.task].right(detached, targets) * part.counts
        trained = self.optimizer.parameters
        if self.apart:
            sums, own_gradients = drawn.apart(self.apart(outputs[0]), trained, counts=part.counts)
            return sums, right, detached, own_gradients
        loss = self.part_loss(outputs, targets, part)
        gradients = torch.autograd.grad(loss, list(trained.values()))
        return loss.detach(), right, detached, dict(zip(trained, gradients, strict=True))

    def part_loss(self, outputs: Sequence[Outputs], targets: Mapping[str, Tensor], part: Part) -> Tensor:
        """Return what one part adds to the loss of the batch; without samples of its own a rank adds zeros."""
        if self.terms and self.ranks.size > 1:
            return drawn.shared(self.terms(outputs[0]), self.ranks.total, counts=part.counts)
        loss = self.loss(outputs, targets)
        return loss if part.share == 1 else loss * part.share

    def loss(self, outputs: Sequence[Outputs], targets: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of the network's outputs, plus those of auxiliary heads times their weights."""
        main, *others = outputs
        loss = TASKS[self.objective.task].loss
        weighted = [(weight, own) for weight, own in zip(self.auxiliary, others, strict=False) if weight]
        total: Tensor = loss(main, targets, self.objective)
        for weight, own in weighted:
            total = total + weight * loss(own, targets, self.objective)
        return total

    @torch.no_grad()
    def outputs(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return what the network makes of images (N, H, W, 3) or features in inference mode: "logits" (N, K)."""
        self.model.eval()
        return as_arrays(self.forward(self.load(inputs))[0])

    @torch.no_grad()
    def features(self, inputs: Given) -> Features:
        """Return what the base makes of images (N, H, W, 3), or of tokens, in inference mode: what the "head" takes."""
        self.model.eval()
        given = self.given(inputs)
        with computing(self.model, self.card, self.recipe.precision):
            taps = Taps(head=self.prefix(given)) if self.prefix and self.prefix.is_base else self.base(given)
            return Features(to_host({name: x.to(self.dtype) for name, x in taps.items()}))

    def forward(self, inputs: Any, targets: Mapping[str, Tensor] | None = None) -> list[Outputs]:
        """Run the whole network, or what is left of it behind `load`: its outputs, then those of auxiliary heads.

        targets: of a step, for networks that decide by them what they are asked.
        """
        with computing(self.model, self.card, self.recipe.precision):
            if self.card.taps and not isinstance(inputs, Taps):
                inputs = self.base(inputs)
            if isinstance(inputs, Taps) and self.card.detector:
                return [as_type(self.head(inputs, targets=targets), self.dtype)]
            if isinstance(inputs, Taps):
                outputs = self.head(inputs, auxiliary=self.model.training and any(self.auxiliary))
            else:
                outputs = (self.trained or (self.prefix.rest if self.prefix else self.model))(inputs)
        return [{"logits": x.to(self.dtype)} for x in parts_in(outputs)]

    def load(self, inputs: Inputs) -> Any:
        """Put a batch on the device as the network takes it and, where frozen stages run ahead, through these."""
        if isinstance(inputs, Features):
            return Taps({name: channels_last(self.put(array)) for name, array in inputs.taps.items()})
        given = self.given(inputs)
        if not self.prefix:
            return given
        with computing(self.model, self.card, self.recipe.precision):
            return self.prefix(given)

    def given(self, inputs: Given) -> Any:
        """Put what a whole network takes on the device: images (N, C, H, W), alone or with sizes, or tokens by name."""
        if isinstance(inputs, TokenIds):
            return {name: torch.from_numpy(array).to(self.device) for name, array in inputs.arrays.items()}
        if isinstance(inputs, Padded):
            sizes = torch.from_numpy(inputs.sizes)  # they stay on the host, which decides by them
            return {"images": as_nchw(self.put(inputs.images)), "sizes": sizes}
        return as_nchw(self.put(inputs))

    def put(self, inputs: np.ndarray | Pixels) -> Tensor:
        """Put a batch on the device, pixels as bytes, which become numbers there."""
        if isinstance(inputs, Pixels):
            table = torch.tensor(inputs.table, dtype=self.dtype, device=self.device)
            return look_up(table, torch.from_numpy(inputs.values).to(self.device))
        return torch.from_numpy(inputs).to(self.device, self.dtype)

    def fetch(self, probes: Sequence[Tensor]) -> np.ndarray:
        """Return probes of several steps, float64 (steps, 5): loss, |gradient|, |weights|, |update|, how many right."""
        return torch.stack(list(probes)).cpu().double().numpy()  # on the host: mps has no float64

    def get_weights(self, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
        """Return a copy of every parameter and buffer, but those to leave out, by canonical name."""
        return get_weights(self.model, leave_out=leave_out)

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every parameter and buffer; what is measured from the start (L2-SP, averages) starts here."""
        self.run_as_one()
        set_weights(self.model, tensors)
        self.penalty.anchor()
        if self.average:
            self.average.restart()

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the optimizer's state by canonical name, and what else the next step depends on."""
        average = self.average.get_slots() if self.average else {}
        return {**self.optimizer.get_slots(), **self.penalty.get_slots(), **average}

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the optimizer's state, and what else `get_slots` returned."""
        self.optimizer.set_slots(slots)
        self.penalty.set_slots(slots)
        if self.average:
            self.average.set_slots(slots)

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the network has its averaged weights, where it keeps an average."""
        return self.average.in_place() if self.average else nullcontext()


def parts_in(outputs: Any) -> list[Tensor]:
    """Return the outputs of a network, the main one first, those of its auxiliary heads behind it."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def as_type(outputs: Outputs, dtype: torch.dtype) -> Outputs:
    """Return outputs by name in a type, but for whole numbers."""
    return {name: x.to(dtype) if x.is_floating_point() else x for name, x in outputs.items()}


def as_arrays(outputs: Outputs) -> dict[str, np.ndarray]:
    """Return outputs as arrays, maps of logits (N, K, H, W) as (N, H, W, K)."""
    moved = {name: name == "logits" and x.ndim == 4 for name, x in outputs.items()}
    return to_host({name: x.permute(0, 2, 3, 1) if moved[name] else x for name, x in outputs.items()})


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return tensors as arrays of the same shapes."""
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}


def channels_last(maps: Tensor) -> Tensor:
    """Return maps (N, C, H, W) in the order of the head's weights, which else turn them in each layer; others as is."""
    return maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps


def as_nchw(images: Tensor) -> Tensor:
    """View images (N, H, W, C) as PyTorch wants them, (N, C, H, W), channels last in memory as they came."""
    return images.permute(0, 3, 1, 2)
