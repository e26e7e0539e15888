"""A model, an optimizer and one native training step: the file to open first when learning how TensorFlow does it."""

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np
import tensorflow as tf

from ft.averaging import is_averaged
from ft.freeze import Freeze
from ft.penalty import plan_penalty
from ft.recipe import Recipe
from ft.weights.layouts import from_canonical, to_canonical
from ft.zoo import Card
from ft_tf import layers
from ft_tf.average import Average
from ft_tf.freeze import apply_freeze, set_training_mode
from ft_tf.frozen import split
from ft_tf.losses import cross_entropy
from ft_tf.optim import SGD
from ft_tf.penalty import Penalty
from ft_tf.weights import get_weights, layout_of, named_variables, parameters, set_weights


class Learner:
    """Trains one model by one recipe; arrays go in and come out as NumPy, in N, H, W, C where they are images.

    With `on_features` the steps take what the frozen base made of the images, and only the head runs.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        card: Card,
        plan: Freeze,
        recipe: Recipe,
        device: str = "cpu",
        on_features: bool = False,
    ) -> None:
        self.model = model
        self.plan, self.device, self.dtype = plan, device, recipe.precision
        self.label_smoothing, self.on_features = recipe.label_smoothing, on_features
        apply_freeze(model, plan)
        set_training_mode(model, plan)
        layers.seed_noise(model, recipe.seed)
        trained = {name: w for name, w in parameters(model).items() if name in plan.trainable}
        self.optimizer = SGD(
            trained, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay
        )
        self.penalty = Penalty(
            trained, plan_penalty(recipe, card, {name: tuple(w.shape) for name, w in trained.items()})
        )
        self.average = self.make_average(trained, recipe) if recipe.ema else None
        self.base, self.head = split(model, card)
        # an auxiliary head counts only where it is taught; with weights of 0 alone it is not even computed
        taught = {card.stage_of(name) for name in plan.trainable}
        self.auxiliary = [w if card.stage_of(path) in taught else 0.0 for path, w in card.auxiliary.items()]
        model.frozen = not any(self.auxiliary)  # the network's own flag, not its layers': no auxiliary logits
        # step and learning rate are arguments, not constants; a short last batch is traced once more and never again
        self.run_step = tf.function(self.native_step, reduce_retracing=True)
        # a function each for images and for features: with both ranks tf.function would make a graph for any rank
        self.run_forward = {
            on_features: tf.function(lambda inputs: self.forward(inputs, training=False)[0], reduce_retracing=True)
            for on_features in (False, True)
        }
        self.run_base = tf.function(lambda images: self.base(images, training=False), reduce_retracing=True)

    def make_average(self, trained: Mapping[str, keras.Variable], recipe: Recipe) -> Average:
        """Return the moving average of what trains and of the BatchNorm statistics that move."""
        assert recipe.ema is not None
        statistics = {
            name: buffer
            for name, buffer, _ in named_variables(self.model)
            if is_averaged(name) and not self.plan.runs_in_inference(name)
        }
        return Average({**trained, **statistics}, decay=recipe.ema, warmup=recipe.ema_warmup)

    def step(self, inputs: np.ndarray, labels: np.ndarray, *, step: int, lr: np.float64, first: int = 0) -> tf.Tensor:
        """Do training step number `step` and return its probes on the device, to be fetched later.

        inputs: images (N, H, W, 3) or features; labels: int (N,), or target probabilities (N, K); first: position of
        sample 0 in the global batch.
        Probes: loss, norms of the gradient, of the trained weights and of their update.
        """
        clock, rate = tf.constant([step, first], tf.int64), tf.constant(lr, tf.float64)
        return self.run_step(self.load(inputs), tf.constant(labels), clock, rate)

    def native_step(self, inputs: tf.Tensor, labels: tf.Tensor, clock: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        """The step as it is traced into a graph."""
        loss, _, gradients = self.loss_and_gradients(inputs, labels, clock)
        update = self.optimizer.update(gradients, lr)
        if self.average:
            self.average.update(clock[0])
        weights = [w.value for w in self.optimizer.parameters.values()]
        norms = [tf.linalg.global_norm(tensors) for tensors in (list(gradients.values()), weights, update)]
        return tf.stack([loss, *norms])

    def gradients(
        self, inputs: np.ndarray, labels: np.ndarray, *, step: int, first: int = 0
    ) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
        """Return loss, logits and every gradient of a step without its update; BatchNorm statistics do move."""
        clock = tf.constant([step, first], tf.int64)  # once and eagerly: tracing would cost more than it saves
        loss, logits, gradients = self.loss_and_gradients(self.load(inputs), tf.constant(labels), clock)
        arrays = {
            name: to_canonical(g.numpy(), layout_of(self.optimizer.parameters[name])) for name, g in gradients.items()
        }
        return float(loss), logits.numpy(), arrays

    def update(self, gradients: Mapping[str, np.ndarray], *, lr: np.float64) -> dict[str, np.ndarray]:
        """Do the update of a step with gradients that `gradients` returned; return what was subtracted from weights."""
        layouts = {name: layout_of(w) for name, w in self.optimizer.parameters.items()}
        tensors = {name: tf.constant(from_canonical(g, layouts[name])) for name, g in gradients.items()}
        update = self.optimizer.update(tensors, tf.constant(lr, tf.float64))
        return {name: to_canonical(x.numpy(), layouts[name]) for name, x in zip(layouts, update, strict=True)}

    def loss_and_gradients(
        self, inputs: tf.Tensor, labels: tf.Tensor, clock: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Run forward and backward in training mode."""
        trained = {name: w.value for name, w in self.optimizer.parameters.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(list(trained.values()))
            with layers.noise(clock):
                outputs = self.forward(inputs, training=True)
            loss = self.loss(outputs, labels)
        loss, gradients = self.penalty.add(loss, tape.gradient(loss, trained))
        return loss, outputs[0], gradients

    def loss(self, outputs: Sequence[tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
        """Return the loss of the logits, plus those of auxiliary logits times their weights."""
        losses = [cross_entropy(logits, labels, label_smoothing=self.label_smoothing) for logits in outputs]
        weighted = zip(self.auxiliary, losses[1:], strict=False)
        return sum((weight * loss for weight, loss in weighted if weight), start=losses[0])

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of images (N, H, W, 3) or features, in inference mode."""
        return self.run_forward[self.on_features](self.load(inputs)).numpy()

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return what the base makes of images (N, H, W, 3) in inference mode: the input of the head."""
        return self.run_base(self.load(images)).numpy()

    def forward(self, inputs: tf.Tensor, *, training: bool) -> Sequence[tf.Tensor]:
        """Run the whole network on images, or only the head on features: the logits, then auxiliary ones if any."""
        outputs = (self.head if self.on_features else self.model)(inputs, training=training)
        return outputs if isinstance(outputs, list) else [outputs]

    def load(self, inputs: np.ndarray) -> tf.Tensor:
        """Put a batch on the device."""
        return tf.constant(inputs, self.dtype)

    def fetch(self, probes: Sequence[tf.Tensor]) -> np.ndarray:
        """Return the probes of several steps as float64 (steps, 4): loss, |gradient|, |weights|, |update|."""
        return tf.cast(tf.stack(list(probes)), tf.float64).numpy()

    def get_weights(self, *, leave_out: Container[str] = ()) -> dict[str, np.ndarray]:
        """Return a copy of every parameter and buffer, but those to leave out, by canonical name."""
        return get_weights(self.model, leave_out=leave_out)

    def set_weights(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Assign every parameter and buffer; what is measured from the start (L2-SP, averages) starts here."""
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
