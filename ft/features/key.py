"""The key of a base's features: a hash of all that they depend on, so that no file is taken for another's features.

In the key: the base's weights and stages, framework and versions, device, preprocessing, precision, batch size (it
decides which kernels run, and so the last bit), the augmentation where views are kept, the identity of every image, and
every field of the recipe that says of itself that it decides what the base computes. An image is identified by its
absolute path, size and time of change, in nanoseconds; one in memory by its bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from ft import recipe as recipes
from ft.backend.contract import FRAMEWORKS, Learner
from ft.data import Batches
from ft.data.sources.dataset import Sample
from ft.data.sources.text import Text
from ft.data.text.process import TextProcess
from ft.recipe import Recipe, deciding
from ft.training.job import Job
from ft.zoo import TextCard

FORM = 2  # counts what changes in how features are computed or written


def feature_key(
    job: Job, learner: Learner, batches: Batches, *, views: int, backend: str, device: str, exact: bool = False
) -> str:
    """Return the key, 64 hexadecimal digits, of the features of a split; views: 0 where pixels stand still.

    exact: whether they are computed in float64.
    """
    facts = {
        "form": FORM,
        "recipe": values_of(job.recipe, "base"),
        "stages": {stage: paths for stage, paths in job.card.stages.items() if stage in job.card.base},
        "weights": digest_of(base_weights(job, learner)),
        "versions": {name: version(name) for name in ("ft-parity", "numpy", "pillow", *FRAMEWORKS[backend])},
        "device": device,
        **({"exact": exact} if exact else {}),
        "preprocess": job.preprocess.to_dict(),
        **of_text(job),
        "batch_size": job.recipe.batch_size,
        "views": {"views": views, **values_of(job.recipe, "pixels", "draws")} if views else {},
        "images": images_digest(batches.samples),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def of_text(job: Job) -> dict[str, Any]:
    """Return what else decides the features of texts: the tokenizer, and what the config says beside shapes."""
    if not isinstance(job.preprocess, TextProcess) or not isinstance(job.card, TextCard):
        return {}
    tokenizer = hashlib.sha256(job.preprocess.tokenizer.to_json().encode()).hexdigest()
    return {"tokenizer": tokenizer, "config": job.card.config.as_json(), "pool": job.card.pool}


def values_of(recipe: Recipe, *decided: str) -> dict[str, Any]:
    """Return the values of the fields that decide any of these."""
    values = recipes.to_dict(recipe)
    return {name: values[name] for name in deciding(*decided)}


def base_weights(job: Job, learner: Learner) -> dict[str, np.ndarray]:
    """Return the tensors of the base."""
    tensors = learner.get_weights()
    return {name: tensor for name, tensor in tensors.items() if job.card.stage_of(name) in job.card.base}


def digest_of(tensors: Mapping[str, np.ndarray]) -> str:
    """Return a hash of tensors: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\0".encode())
        digest.update(tensor.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def images_digest(samples: tuple[Sample, ...]) -> str:
    """Return a hash of which images these are, in their order. No file is read."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(identity(sample.source))
    return digest.hexdigest()


def identity(source: Path | np.ndarray | Image | Text) -> bytes:
    """Return what tells an image from any other."""
    if isinstance(source, Text):
        return f"{source.text}\0{source.pair}\0".encode("utf-8", "surrogateescape")
    if not isinstance(source, Path):
        return digest_of({"pixels": np.asarray(source)}).encode()
    try:
        facts = source.stat()
    except OSError:  # whoever decodes it says so
        return b"missing\0"
    return f"{source.absolute()}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
