"""The key of a base's features: a hash of all that they depend on, so that no file is taken for another's features.

In the key: the base's weights and stages, framework and versions, device, preprocessing, precision, batch size (it
decides which kernels run, and so the last bit), the augmentation where views are kept, the identity of every image, and
every field of the recipe that is not known to leave the base alone: a new field is in it until somebody says otherwise.
An image is identified by its absolute path, size and time of change, in nanoseconds; one in memory by its bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ft import recipe as recipes
from ft.backend import FRAMEWORKS, Learner
from ft.data import Batches
from ft.data.index import Sample
from ft.job import Job
from ft.recipe import FIELDS, Recipe

FORM = 2  # counts what changes in how features are computed or written
# what stands in the key by itself (images, weights, batches), or begins behind the base
LEFT_OUT_GROUPS = {
    *("data", "freeze", "training", "optimizer", "learning rate", "loss", "regularisation", "feature cache"),
}
LEFT_OUT = {"name", "weights", "result", "seed", "device"}


def feature_key(job: Job, learner: Learner, batches: Batches, *, views: int, backend: str, device: str) -> str:
    """Return the key, 64 hexadecimal digits, of the features of a split; views: 0 where pixels stand still."""
    facts = {
        "form": FORM,
        "recipe": relevant(job.recipe),
        "stages": {stage: paths for stage, paths in job.card.stages.items() if stage != "head"},
        "weights": digest_of(base_weights(job, learner)),
        "versions": {name: version(name) for name in ("ft-parity", "numpy", "pillow", *FRAMEWORKS[backend])},
        "device": device,
        "preprocess": batches.preprocess.to_dict(),
        "batch_size": job.recipe.batch_size,
        "views": augmentation(batches, views),
        "images": images_digest(batches.samples),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def relevant(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe that may change what the base computes."""
    values = recipes.to_dict(recipe)
    names = (name for name, field in FIELDS.items() if field.metadata["group"] not in LEFT_OUT_GROUPS)
    return {name: values[name] for name in names if name not in LEFT_OUT}


def augmentation(batches: Batches, views: int) -> dict[str, Any]:
    """Return what the views of an image are drawn by, nothing where there are none."""
    if not views:
        return {}
    distortion = asdict(batches.distortion) if batches.distortion else None
    return {"views": views, "augment": batches.augment, "distortion": distortion, "seed": batches.seed}


def base_weights(job: Job, learner: Learner) -> dict[str, np.ndarray]:
    """Return the tensors of the base."""
    tensors = learner.get_weights()
    return {name: tensor for name, tensor in tensors.items() if job.card.stage_of(name) != "head"}


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


def identity(source: Path | np.ndarray) -> bytes:
    """Return what tells an image from any other."""
    if isinstance(source, np.ndarray):
        return digest_of({"pixels": source}).encode()
    try:
        facts = source.stat()
    except OSError:  # whoever decodes it says so
        return b"missing\0"
    return f"{source.absolute()}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode("utf-8", "surrogateescape")
