"""The wings that are installed, and what the tests ask of each framework itself."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from ft.backend.contract import FRAMEWORKS

NATIVE = tuple(name for name, packages in FRAMEWORKS.items() if all(find_spec(package) for package in packages))
WINGS = (*NATIVE, "numpy")

in_each_framework = pytest.mark.parametrize("wing", NATIVE, indirect=True)  # where NumPy has nothing to show


class OfTorch:
    """PyTorch's tensors, modules and errors."""

    title = "PyTorch"

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)  # tiny tensors; two threads wait for each other where the machine is shared
        self.torch = torch

    def eagerly(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tensor(self, array: np.ndarray) -> Any:
        return self.torch.from_numpy(np.array(array))

    variable = tensor  # what a step changes in place

    def move(self, variable: Any, by: np.ndarray) -> None:
        variable += self.tensor(by)

    def run(self, images: np.ndarray, *modules: Any) -> np.ndarray:
        x = self.tensor(images).permute(0, 3, 1, 2)
        with self.torch.no_grad():
            for module in modules:  # of what a network comes apart into, the base may be a function
                x = (module.eval() if isinstance(module, self.torch.nn.Module) else module)(x)
        return x.numpy()

    def layers(self, model: Any) -> dict[str, bool]:
        """Return every layer that has parameters, and whether the framework knows that it trains."""
        return {name.rpartition(".")[0]: w.requires_grad for name, w in model.named_parameters()}

    def has_gpu(self) -> bool:
        return self.torch.cuda.is_available()

    def exhaust_memory(self) -> None:
        self.torch.empty(1 << 55)

    def out_of_memory(self) -> Exception:
        return self.torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class OfTensorFlow:
    """TensorFlow's and Keras's tensors, models and errors."""

    title = "TensorFlow"

    def __init__(self) -> None:
        import keras
        import tensorflow as tf

        self.keras, self.tf = keras, tf

    @contextmanager
    def eagerly(self) -> Iterator[None]:
        self.tf.config.run_functions_eagerly(True)
        yield
        self.tf.config.run_functions_eagerly(False)

    def tensor(self, array: np.ndarray) -> Any:
        return self.tf.constant(array)

    def variable(self, array: np.ndarray) -> Any:
        return self.keras.Variable(array, dtype=str(array.dtype))

    def move(self, variable: Any, by: np.ndarray) -> None:
        variable.assign_add(by)

    def run(self, images: np.ndarray, *modules: Any) -> np.ndarray:
        for module in modules:
            images = module(images)
        return np.asarray(images)

    def layers(self, model: Any) -> dict[str, bool]:
        """Return every layer that has weights, and whether the framework knows that it trains."""
        return {layer.name: bool(layer.trainable_weights) for layer in model.layers if layer.weights}

    def has_gpu(self) -> bool:
        return bool(self.tf.config.list_physical_devices("GPU"))

    def exhaust_memory(self) -> None:
        self.tf.zeros([1 << 20, 1 << 20, 1 << 10])

    def out_of_memory(self) -> Exception:
        return self.tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


class OfNumpy:
    """The fewest words for a wing without a framework."""

    def eagerly(self) -> AbstractContextManager[None]:
        return nullcontext()

    def exhaust_memory(self) -> None:
        np.empty(1 << 62, np.uint8)

    def out_of_memory(self) -> Exception:
        return MemoryError()


FRAMEWORK_OF = {"ft_torch": OfTorch, "ft_tf": OfTensorFlow, "tests.numpy_wing": OfNumpy}
