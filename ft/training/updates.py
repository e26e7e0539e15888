"""What the optimizers of both wings share: parameters, slots by name, numbers, and which decay each parameter gets.

An optimizer is one record in ft/recipe/optimizer.py and one formula in each wing's optim.py, in that wing's tensors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from ft.recipe.optimizer import Rule

Weight = TypeVar("Weight")  # a parameter of the network
Tensor = TypeVar("Tensor")  # a gradient, or what is subtracted
Slot = TypeVar("Slot")  # what is kept of a parameter


class Updates(ABC, Generic[Weight, Tensor, Slot]):
    """Parameters with their slots, changed by a formula.

    rates: factors of the learning rate, 1 for a parameter that is not named; decay_vectors: whether weight decay goes
    to norms and biases too, which are the tensors of at most one dimension; numbers: the record's where none is given.
    The slot `step` is the number of updates before this one, counted for each parameter as torch.optim does: one that
    is unfrozen later starts from 0.
    """

    record: ClassVar[Rule]
    formula: ClassVar[Callable[..., Any]]  # of weight, gradient, slots, learning rate and numbers: what to subtract

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "record"):
            cls.__signature__ = signature_of(cls.record)

    def __init__(
        self,
        parameters: Mapping[str, Weight],
        *,
        rates: Mapping[str, float] | None = None,
        decay_vectors: bool = True,
        **numbers: Any,
    ) -> None:
        for name in numbers.keys() - self.record.numbers.keys():
            raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument '{name}'")
        self.parameters = dict(parameters)
        self.rates, self.decay_vectors = dict(rates or {}), decay_vectors
        self.numbers = {**self.record.numbers, **numbers}
        self.weight_decay = self.numbers.pop("weight_decay")

    @cached_property
    def state(self) -> dict[str, dict[str, Slot]]:
        """The slots of each parameter, made when they are first needed: an evaluation never does."""
        starts = {slot: self.start(slot) for slot in self.record.slots_with(**self.numbers)}
        return {
            name: {slot: self.new_slot(slot, w, start) for slot, start in starts.items()}
            for name, w in self.parameters.items()
        }

    def with_slots(self) -> Self:
        """Return it with its slots made: a graph that has to make them is traced twice."""
        assert self.state.keys() == self.parameters.keys()
        return self

    def start(self, slot: str) -> float:
        """Return what each element of a slot starts from."""
        return self.numbers[self.record.starts[slot]] if slot in self.record.starts else 0.0

    def decays(self, w: Weight) -> tuple[float, float]:
        """Return the weight decay of a parameter: that inside the formula, and that beside it."""
        decay = self.weight_decay if self.decay_vectors or not self.is_vector(w) else 0.0
        return (0.0, decay) if self.record.decoupled else (decay, 0.0)

    def update(self, gradients: Mapping[str, Tensor], lr: Any) -> list[Tensor]:
        """Change the parameters in place and return what was subtracted from each."""
        return [self.update_one(name, w, gradients[name], lr) for name, w in self.parameters.items()]

    def get_slots(self) -> dict[str, np.ndarray]:
        """Return the slots as `NAME.SLOT`, in canonical layout."""
        return {f"{name}.{slot}": self.read(name, slot) for name, state in self.state.items() for slot in state}

    def set_slots(self, slots: Mapping[str, np.ndarray]) -> None:
        """Assign the slots; KeyError where one is missing."""
        for name, state in self.state.items():
            for slot in state:
                self.write(name, slot, slots[f"{name}.{slot}"])

    @abstractmethod
    def update_one(self, name: str, w: Weight, g: Tensor, lr: Any) -> Tensor:
        """Change one parameter in place and return what was subtracted from it."""

    @abstractmethod
    def is_vector(self, w: Weight) -> bool:
        """Tell norms and biases from weights, by their number of dimensions in canonical layout."""

    @abstractmethod
    def new_slot(self, slot: str, w: Weight, start: float) -> Slot:
        """Return a slot of a parameter, filled with `start`."""

    @abstractmethod
    def read(self, name: str, slot: str) -> np.ndarray:
        """Return a copy of a slot in canonical layout."""

    @abstractmethod
    def write(self, name: str, slot: str, array: np.ndarray) -> None:
        """Assign a slot from canonical layout."""


def signature_of(record: Rule) -> Signature:
    """Return how an optimizer is called, its numbers by name, for `help` and editors to show."""
    numbers = {**record.numbers, "rates": None, "decay_vectors": True}
    named = [Parameter(name, Parameter.KEYWORD_ONLY, default=number) for name, number in numbers.items()]
    return Signature([Parameter("parameters", Parameter.POSITIONAL_OR_KEYWORD), *named])
