"""A model, an optimizer and one native training step: the file to open first when learning how TensorFlow does it."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ft.backend.objective import Objective
from ft.backend.ranks import ALONE
from ft.data import Batch, Features, Given, Inputs, Padded, Pixels, TokenIds
from ft.network.freeze import Freeze
from ft.recipe import Recipe
from ft.training.accumulation import Part, parts_of
from ft.training.averaging import is_averaged
from ft.training.penalty import plan_penalty
from ft.weights.layouts import from_canonical
from ft.zoo import Card
from ft_tf import drawn, layers
from ft_tf.average import Average
from ft_tf.freeze import apply_freeze, set_training_mode
from ft_tf.frozen import Prefix, Taps, apart, split_prefix
from ft_tf.graph import BatchGraphs, as_graph
from ft_tf.optim import Optimizer, clip_gradients, make_optimizer
from ft_tf.penalty import Penalty
from ft_tf.pixels import look_up
from ft_tf.precision import computing
from ft_tf.tasks import TASKS
from ft_tf.weights import get_weights, layout_of, named_variables, parameters, set_weights, to_array

Outputs = dict[str, tf.Tensor]
Result = tuple[tf.Tensor, tf.Tensor, Outputs, dict[str, tf.Tensor]]  # loss, right, outputs, gradients


class Learner:
    """Trains one model by one recipe; arrays go in and come out as NumPy, in N, H, W, C where they are images.

    Where it is given Features, what the frozen base made of the images, only the head runs. objective: what the steps
    minimise; ranks: the processes that train together, each given its part of a batch.
    """

    optimizer: Optimizer
    prefix: Prefix | None  # the frozen stages that run ahead of the rest; None: the network runs as one

    def __init__(
        self,
        model: keras.Model,
        *,
        card: Card,
        plan: Freeze,
        recipe: Recipe,
        objective: Objective,
        device: str = "cpu",
        ranks: Any = ALONE,
    ) -> None:
        self.model = model
        self.card, self.recipe, self.objective = card, recipe, objective
        self.device, self.dtype, self.ranks = device, recipe.dtype, ranks
        layers.seed_noise(model, recipe.seed)
        self.base, self.head = apart(model, card)
        self.terms = TASKS[objective.task].terms if objective.drawn else None  # see drawn.py
        self.apart = self.terms if recipe.accumulate > 1 else None  # of passes, whose sums stay apart until the last
        self.set_plan(plan)
        self.run_base = BatchGraphs(self.base, recipe.batch_size)

    def set_plan(self, plan: Freeze) -> None:
        """Train by this plan from here on. What trained before keeps its slots, what is new starts with fresh ones."""
        kept = self.get_slots() if hasattr(self, "optimizer") else {}
        self.plan, self.prefix = plan, None
        apply_freeze(self.model, plan)
        set_training_mode(self.model, plan)
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
        self.model.frozen = not any(self.auxiliary)  # the network's own flag, not its layers': no auxiliary logits
        self.make_functions()

    def make_functions(self) -> None:
        """Make the functions whose graphs hold the plan and the prefix as they are now."""
        # step and learning rate are arguments, not constants; a short last batch is traced once more and never again
        size, several = self.recipe.batch_size, self.ranks.size > 1
        inside, calling = (self.ranks.inside, self.ranks.calling) if several else [lambda function: function] * 2
        # traced once, however many lengths of texts a step is traced for; a sum over ranks belongs to one graph
        self.end_step = self.native_update if several else as_graph(self.native_update)
        own = 0 if several else size  # ranks with parts of other sizes trace the same graphs: one for all sizes
        self.run_step = calling(BatchGraphs(inside(self.native_step), own))
        self.run_part = calling(BatchGraphs(inside(self.loss_and_gradients), own))
        self.run_update = calling(as_graph(inside(self.native_update)))
        self.run_sums = calling(as_graph(inside(self.of_the_batch)))
        self.run_forward = BatchGraphs(lambda inputs: self.forward(inputs, training=False)[0], size)

    def run_ahead(self, *, compiled: bool, say: Callable[[str], None]) -> None:
        """Run the frozen stages that the network begins with ahead of the rest from here on, BatchNorm folded.

        Until the next plan or the next weights, for folded weights do not follow those that they were made of.
        compiled: compile them, too; say: is told at the first whole batch what became of it.
        """
        self.prefix = split_prefix(self.model, self.card, self.plan, batch_size=self.recipe.batch_size, say=say)
        if self.prefix is None:
            say(f"compile: {self.card.name} does not come apart behind its frozen stages; it runs as one")
        elif not compiled:
            with computing(self.model, self.card, self.recipe.precision):  # the copy keeps what it finds
                self.prefix.fold(self.recipe.precision)
        self.make_functions()

    def compile_trained(self, *, say: Callable[[str], None]) -> None:
        """Do nothing: what trains is a graph from the first step on."""

    def run_as_one(self) -> None:
        """Run the network as one again, with the weights that it has by then."""
        if self.prefix:
            self.prefix = None
            self.make_functions()

    def make_average(self, trained: Mapping[str, keras.Variable]) -> Average:
        """Return the moving average of what trains and of the BatchNorm statistics that move."""
        assert self.recipe.ema is not None
        statistics = {
            name: buffer
            for name, buffer, _ in named_variables(self.model)
            if is_averaged(name) and not self.plan.is_still(name)
        }
        return Average({**trained, **statistics}, decay=self.recipe.ema, warmup=self.recipe.ema_warmup)

    def step(self, batch: Batch, *, step: int, lr: np.float64, first: int = 0) -> tf.Tensor:
        """Do training step number `step` and return its probes on the device, to be fetched later.

        batch: of images (N, H, W, 3) or Features; first: position of its sample 0 in the global batch.
        Probes: loss, norms of the gradient, of the trained weights and of their update, and how many samples are right.
        """
        clock, rate = tf.constant([step, first], tf.int64), tf.constant(lr, tf.float64)
        self.optimizer.with_slots()
        if self.recipe.accumulate == 1:
            (part,) = parts_of(batch, self.recipe, self.objective)
            clock = tf.constant([step, first + part.first], tf.int64)
            share = [share_of(part)] * (batch.place is not None or self.objective.summed)
            return self.run_step(self.load(batch.inputs), as_tensors(batch.targets), clock, rate, *share)
        loss, right, _, gradients = self.in_parts(self.run_part, batch, step, first)
        return self.run_update(loss, right, gradients, clock, rate)

    def native_step(
        self, inputs: Any, targets: Mapping[str, tf.Tensor], clock: tf.Tensor, lr: tf.Tensor, *share: tf.Tensor
    ) -> tf.Tensor:
        """The step as it is traced into a graph."""
        loss, right, _, gradients = self.loss_and_gradients(inputs, targets, clock, *share)
        return self.end_step(loss, right, gradients, clock, lr)

    def native_update(
        self,
        loss: tf.Tensor,
        right: tf.Tensor,
        gradients: Mapping[str, tf.Tensor],
        clock: tf.Tensor,
        lr: tf.Tensor,
    ) -> tf.Tensor:
        """The end of a step as it is traced into a graph: penalty, update, average and probes."""
        loss, right, gradients = self.of_the_batch(loss, right, gradients)
        loss, gradients = self.penalty.add(loss, gradients)
        update = self.apply(gradients, lr)
        if self.average:
            self.average.update(clock[0])
        weights = [w.value for w in self.optimizer.parameters.values()]
        norms = [tf.linalg.global_norm(tensors) for tensors in (list(gradients.values()), weights, update)]
        return tf.stack([loss, *norms, right])

    def of_the_batch(
        self, loss: tf.Tensor, right: tf.Tensor, gradients: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, Mapping[str, tf.Tensor]]:
        """Return what the parts of a batch make together, those of all ranks."""
        if self.apart:
            loss, gradients = drawn.divided(loss, gradients, self.ranks.total)
        return self.of_all_ranks(loss, right, gradients) if self.ranks.size > 1 else (loss, right, gradients)

    def of_all_ranks(
        self, loss: tf.Tensor, right: tf.Tensor, gradients: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Return the sums over the ranks, whose parts of the loss have their share of it already."""
        own = [*gradients.values(), loss, tf.cast(right, loss.dtype)]
        *sums, loss, right = self.ranks.add_up(own, [*self.optimizer.parameters.values(), loss, loss])
        return loss, right, dict(zip(gradients, sums, strict=True))

    def gradients(
        self, batch: Batch, *, step: int, first: int = 0
    ) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return loss, outputs and every gradient of a step without its update; BatchNorm statistics do move."""
        # once and eagerly: tracing would cost more than it saves
        several = self.ranks.size > 1
        run = self.run_part if several else self.loss_and_gradients
        loss, right, outputs, gradients = self.in_parts(run, batch, step, first)
        together = self.run_sums if several else self.of_the_batch
        loss, _, gradients = together(loss, right, gradients)
        loss, gradients = self.penalty.add(loss, gradients)
        arrays = {name: to_array(g, layout_of(self.optimizer.parameters[name])) for name, g in gradients.items()}
        return float(loss), as_arrays(outputs), arrays

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        layouts = {name: layout_of(w) for name, w in self.optimizer.parameters.items()}
        tensors = {name: tf.constant(from_canonical(g, layouts[name])) for name, g in gradients.items()}
        update = self.apply(tensors, tf.constant(lr, tf.float64))
        return {name: to_array(x, layouts[name]) for name, x in zip(layouts, update, strict=True)}

    def apply(self, gradients: Mapping[str, tf.Tensor], lr: tf.Tensor) -> list[tf.Tensor]:
        """Clip, update, and return what was subtracted from each weight."""
        clipped = clip_gradients(gradients, norm=self.recipe.clip_norm, value=self.recipe.clip_value)
        return self.optimizer.update(clipped, lr)

    def in_parts(self, run: Callable[..., Result], batch: Batch, step: int, first: int) -> Result:
        """Run forward and backward part by part; return what they make of the whole batch."""

        def run_one(part: Part) -> Result:
            clock = tf.constant([step, first + part.first], tf.int64)
            own = batch.rows(part.rows)
            return run(self.load(own.inputs), as_tensors(own.targets), clock, share_of(part))

        part, *others = parts_of(batch, self.recipe, self.objective)
        loss, right, outputs, gradients = run_one(part)
        for part in others:
            more = run_one(part)
            loss, right = loss + more[0], right + more[1]
            outputs = {name: tf.concat([x, more[2][name]], 0) for name, x in outputs.items()}
            gradients = {name: g + more[3][name] for name, g in gradients.items()}
        return loss, right, outputs, gradients

    def loss_and_gradients(
        self,
        inputs: Any,
        targets: Mapping[str, tf.Tensor],
        clock: tf.Tensor,
        share: tf.Tensor | None = None,
    ) -> Result:
        """Run forward and backward in training mode.

        share: what the loss counts, as one part of a batch, and whether its samples do.
        """
        trained = {name: w.value for name, w in self.optimizer.parameters.items()}
        counts, sync = None if share is None else share[1], self.recipe.bn_sync == "on"
        together = layers.synchronised(self.model, self.ranks, counts=counts, sync=sync)
        with tf.GradientTape(persistent=bool(self.apart), watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            with layers.noise(self.model, clock), together:
                outputs = self.forward(inputs, training=True, targets=targets)
            loss = self.apart(outputs[0]) if self.apart else self.part_loss(outputs, targets, share)
        right = TASKS[self.objective.task].right(outputs[0], targets)
        right = right if share is None else right * tf.cast(share[1], right.dtype)
        if self.apart:
            loss, gradients = drawn.apart(loss, trained, tape, counts=counts)
            return loss, right, outputs[0], gradients
        return loss, right, outputs[0], tape.gradient(loss, trained)

    def part_loss(
        self, outputs: Sequence[Outputs], targets: Mapping[str, tf.Tensor], share: tf.Tensor | None
    ) -> tf.Tensor:
        """Return what one part adds to the loss of the batch; without samples of its own a rank adds zeros."""
        if self.terms and share is not None and self.ranks.size > 1:
            return drawn.shared(self.terms(outputs[0]), self.ranks.total, counts=share[1])
        loss = self.loss(outputs, targets)
        return loss if share is None else loss * tf.cast(share[0], loss.dtype)

    def loss(self, outputs: Sequence[Outputs], targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the loss of the network's outputs, plus those of auxiliary heads times their weights."""
        main, *others = outputs
        loss = TASKS[self.objective.task].loss
        weighted = [(weight, own) for weight, own in zip(self.auxiliary, others, strict=False) if weight]
        total: tf.Tensor = loss(main, targets, self.objective)
        for weight, own in weighted:
            total = total + weight * loss(own, targets, self.objective)
        return total

    def outputs(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Return what the network makes of images (N, H, W, 3) or features in inference mode: "logits" (N, K)."""
        return as_arrays(self.run_forward(self.load(inputs)))

    def features(self, inputs: Given) -> Features:
        """Return what the base makes of images (N, H, W, 3), or of tokens, in inference mode: what the "head" takes."""
        given = self.given(inputs)
        with computing(self.model, self.card, self.recipe.precision):
            taps = Taps(head=self.prefix(given)) if self.prefix and self.prefix.is_base else self.run_base(given)
            return Features(as_arrays({name: tf.cast(x, self.dtype) for name, x in taps.items()}))

    def forward(self, inputs: Any, *, training: bool, targets: Mapping[str, tf.Tensor] | None = None) -> list[Outputs]:
        """Run the whole network, or what is left of it behind `load`: its outputs, then those of auxiliary heads.

        targets: of a step, for networks that decide by them what they are asked.
        """
        with computing(self.model, self.card, self.recipe.precision):
            if self.card.taps and not isinstance(inputs, Taps):
                inputs = self.base(inputs, training=training)
            if isinstance(inputs, Taps) and self.card.detector:
                return [as_type(self.head(inputs, training=training, targets=targets), self.dtype)]
            if isinstance(inputs, Taps):
                outputs = self.head(inputs, training=training, auxiliary=training and any(self.auxiliary))
            else:
                outputs = (self.prefix.rest if self.prefix else self.model)(inputs, training=training)
        return [{"logits": tf.cast(x, self.dtype)} for x in parts_in(outputs)]

    def load(self, inputs: Inputs) -> Any:
        """Put a batch on the device and, where frozen stages run ahead, through these."""
        if isinstance(inputs, Features):
            return Taps({name: self.put(array) for name, array in inputs.taps.items()})
        given = self.given(inputs)
        if not self.prefix:
            return given
        with computing(self.model, self.card, self.recipe.precision):
            return self.prefix(given)

    def given(self, inputs: Given) -> Any:
        """Put what a whole network takes on the device: images (N, H, W, C), alone or with sizes, or tokens by name."""
        if isinstance(inputs, Padded):
            return {"images": self.put(inputs.images), "sizes": tf.constant(inputs.sizes)}
        return as_tensors(inputs.arrays) if isinstance(inputs, TokenIds) else self.put(inputs)

    def put(self, inputs: np.ndarray | Pixels) -> tf.Tensor:
        """Put a batch on the device, pixels as bytes, which become numbers there."""
        if isinstance(inputs, Pixels) and self.device != "cpu":  # there NumPy's lookup takes a third of the time
            return look_up(tf.constant(inputs.table, self.dtype), tf.constant(inputs.values))
        return tf.constant(np.asarray(inputs), self.dtype)

    def fetch(self, probes: Sequence[tf.Tensor]) -> np.ndarray:
        """Return probes of several steps, float64 (steps, 5): loss, |gradient|, |weights|, |update|, how many right."""
        return tf.cast(tf.stack(list(probes)), tf.float64).numpy()

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


def share_of(part: Part) -> tf.Tensor:
    """Return a part's share of the loss, and 1 where its samples count, float64 (2,)."""
    return tf.constant([part.share, part.counts], tf.float64)


def as_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """Return arrays as tensors."""
    return {name: tf.constant(array) for name, array in arrays.items()}


def parts_in(outputs: Any) -> list[tf.Tensor]:
    """Return the outputs of a network, the main one first, those of its auxiliary heads behind it."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, list) else [outputs]


def as_type(outputs: Outputs, dtype: str) -> Outputs:
    """Return outputs by name in a type, but for whole numbers."""
    return {name: tf.cast(x, dtype) if x.dtype.is_floating else x for name, x in outputs.items()}


def as_arrays(tensors: Outputs) -> dict[str, np.ndarray]:
    """Return tensors as arrays."""
    return {name: tensor.numpy() for name, tensor in tensors.items()}
