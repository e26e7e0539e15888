"""The features of a frozen base, computed once and kept: in memory, or in a file that the next run finds again."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from typing import cast

import numpy as np

from ft.backend.contract import Learner
from ft.backend.ranks import ALONE, Ranks
from ft.data import Batch, Batches, Features, Given
from ft.errors import RecipeError, RunError
from ft.features.exact import Base, in_float64, is_exact
from ft.features.file import exposed, features_folder, let_go, open_features, path_of, stored, write_features
from ft.features.key import feature_key
from ft.network.freeze import keeps_features
from ft.system.clean import GB, size_text
from ft.system.progress import counting
from ft.tasks.wire import packed, received
from ft.training.job import Job
from ft.training.ranks import together

TAKEN = 64e6  # bytes read of a file after which their memory is given back: to do so takes 0.2 ms
Part = tuple[np.ndarray, np.ndarray]  # places of samples, and their features
SILENT = partial(counting, quiet=True)


class FeatureBatches:
    """The same batches with the base's features in place of the pixels.

    views: the features of all samples, in their order; epoch e takes view e mod views.
    """

    def __init__(self, batches: Batches, views: Sequence[Features]) -> None:
        self.batches, self.views = batches, views

    def __len__(self) -> int:
        return len(self.batches)

    def plan(self, epoch: int) -> list[np.ndarray]:
        """Return the positions in the split of every batch of an epoch."""
        return self.batches.plan(epoch)

    def epoch(self, epoch: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on, and before `stop`."""
        seen, taken = epoch % len(self.views), 0
        for planned in self.batches.planned(epoch, start, stop):
            indices = planned.indices
            features = self.views[seen][indices]
            batch = Batch(features, self.batches.targets_at(seen, indices), indices, planned.number)
            yield self.batches.placed(batch, planned)
            taken += sum(array.nbytes for array in features.taps.values())
            if taken > TAKEN:
                self.let_go(seen)
                taken = 0
        self.let_go(seen)

    def let_go(self, seen: int) -> None:
        """Give back the memory of what was read of a file, which else takes as much as it is long."""
        for array in self.views[seen].taps.values():
            let_go(array)


@dataclass(frozen=True)
class Keeper:
    """Computes the features of a job's splits with a learner, and keeps them where the recipe says.

    note: takes lines for the user; counting: shows how many images are done. `keep` may find that they are too large
    for `auto`; then nothing is kept.
    """

    job: Job
    learner: Learner
    backend: str
    device: str
    note: Callable[[str], None]
    counting: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = SILENT

    @cached_property
    def is_exact(self) -> bool:
        """Whether the features are computed in float64."""
        return is_exact(self.job, self.learner, self.backend, self.device)

    @cached_property
    def base(self) -> Base:
        """What computes the features: the learner, or its base in float64."""
        if not self.is_exact:
            return self.learner
        return in_float64(self.job, self.learner, self.backend, self.device)

    def by_all(self, here: bool) -> bool:
        """Tell whether all ranks found the file: else all of them compute."""
        return self.job.ranks.sum(np.array([float(here)]))[0] == self.job.ranks.size

    def count_of(self, batches: Batches) -> str:
        """Return how many samples there are, in words."""
        return f"{len(batches.samples)} {self.job.card.unit}s"

    def keep(self, split: str) -> FeatureBatches | None:
        """Return the batches of features of "train" or "val", None where these are too large to be kept."""
        batches, recipe = self.job.batches(split, as_pixels=True), self.job.recipe
        views = recipe.cache_views if split == "train" else 0
        key = self.key(batches, views) if self.may_be_stored else None
        features = self.find(batches, views, key) if key is not None else None
        if self.by_all(features is not None):
            return features
        images = len(batches.samples) * max(views, 1)
        with (
            self.counting("computing the features of", images) as count,
            closing(parts_of(batches, self.base, recipe.batch_size, views, count, self.job.ranks)) as computed,
        ):
            places, like = next(computed)
            first = like.packed()
            shape = (max(views, 1), len(batches.samples), *first.shape[1:])
            place = self.place(first[:1].nbytes)
            parts = chain([(places, first)], ((places, part.packed()) for places, part in computed))
            if place == "nowhere":
                return None
            if place == "memory":
                return unpacked(batches, gathered(parts, first.dtype, shape), like)
            key = key or self.key(batches, views)
            rows = in_turn(parts, first.dtype, shape)
            return unpacked(batches, self.stored(batches, views, key, rows, first.dtype, shape), like)

    @property
    def may_be_stored(self) -> bool:
        """Whether a file of these features may be there: to know which costs a hash of all weights."""
        recipe = self.job.recipe
        return recipe.cache == "disk" or (recipe.cache == "auto" and bool(stored(features_folder(recipe.cache_dir))))

    def place(self, row: int) -> str:
        """Return where the features of all images go, "memory", "disk" or "nowhere"; row: bytes of one image's."""
        recipe, data = self.job.recipe, self.job.dataset
        whole = row * (len(data.train) * max(recipe.cache_views, 1) + len(data.val))
        if recipe.cache == "memory" or (recipe.cache == "auto" and whole <= recipe.cache_limit * GB):
            return "memory"
        if whole <= recipe.cache_disk_limit * GB:
            return "disk"
        limit = f"cache_disk_limit is {recipe.cache_disk_limit:g} GB"
        what = f"features of all {self.job.card.unit}s take {size_text(whole)}, {limit}"
        if recipe.cache == "disk":
            raise RecipeError(f"cache: {what}; raise --cache-disk-limit, or train without: --cache off")
        self.note(f"no features are kept: {what}")
        return "nowhere"

    def key(self, batches: Batches, views: int) -> str:
        """Return what the features of a split are known by."""
        where = {"backend": self.backend, "device": self.device}
        return feature_key(self.job, self.learner, batches, views=views, exact=self.is_exact, **where)

    def find(self, batches: Batches, views: int, key: str) -> FeatureBatches | None:
        """Return the features of an earlier run; None where there is no file, or one that is not to be trusted."""
        path = path_of(features_folder(self.job.recipe.cache_dir), key)
        if (others := exposed(path.parent)) is not None:
            self.note(
                f"the folder of features {path.parent} is {others}: who may write there decides what is trained on"
            )
        try:
            if not os.path.lexists(path):
                return None
            like = self.row(batches)
            row = like.packed()[0]
            features = open_features(
                path, key=key, dtype=row.dtype, shape=(max(views, 1), len(batches.samples), *row.shape)
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.note(f"features are computed anew: {path}: {error}")
            return None
        self.note(
            f"features of {len(batches.samples)} {self.job.card.unit}s, {size_text(features.nbytes)}, found in {path}"
        )
        return unpacked(batches, features, like)

    def row(self, batches: Batches) -> Features:
        """Return the features of one sample: their type and shape are those that a file must hold."""
        with closing(parts_of(batches, self.base, 1, 0, lambda done: None)) as computed:
            return next(computed)[1]

    def stored(
        self,
        batches: Batches,
        views: int,
        key: str,
        parts: Iterator[np.ndarray],
        dtype: np.dtype,
        shape: tuple[int, ...],
    ) -> np.ndarray:
        """Return the features, mapped from a file that one rank writes and all of them read."""
        ranks, written = self.job.ranks, None
        with together(ranks):
            if ranks.writes:
                written = self.store(batches, views, key, parts, dtype, shape)
            deque(parts, maxlen=0)  # takes part in computing them
        if written is not None:
            return written
        path = path_of(features_folder(self.job.recipe.cache_dir), key)
        try:
            return open_features(path, key=key, dtype=dtype, shape=shape)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: {error}; give all ranks one --cache-dir, or pass --cache memory") from None

    def store(
        self,
        batches: Batches,
        views: int,
        key: str,
        parts: Iterator[np.ndarray],
        dtype: np.dtype,
        shape: tuple[int, ...],
    ) -> np.ndarray:
        """Compute the features into a file and return them, mapped."""
        recipe = self.job.recipe
        path = path_of(features_folder(recipe.cache_dir), key)
        size = np.dtype(dtype).itemsize * int(np.prod(shape))
        self.note(f"features of {self.count_of(batches)}, {size_text(size)}, go to {path}")
        seen = f", {views} views" if views else ""
        about = f"{recipe.model} ({self.backend}, {recipe.precision}): {self.count_of(batches)}{seen}"
        limit = recipe.cache_disk_limit * GB
        return write_features(path, parts, key=key, about=about, dtype=dtype, shape=shape, limit=limit)


def sources_of(keeper: Keeper, *splits: str) -> list[FeatureBatches] | list[Batches]:
    """Return the batches of "train" or "val": of features where these stand still and can be kept."""
    learner, job, sources = keeper.learner, keeper.job, []
    keeps = keeps_features(job.recipe, learner.plan, job.card)
    if keeps and job.recipe.cache_views:
        keeper.note(
            f"an approximation: of every image {job.recipe.cache_views} augmented views are kept, and epoch "
            f"{job.recipe.cache_views + 1} shows those of epoch 1 again"
        )
    for split in splits if keeps else ():
        kept = keeper.keep(split)
        if kept is None:
            break
        sources.append(kept)
    return sources if len(sources) == len(splits) else [job.batches(split, as_pixels=True) for split in splits]


def parts_of(
    batches: Batches,
    base: Base,
    batch_size: int,
    views: int,
    count: Callable[[int], None],
    ranks: Ranks = ALONE,
) -> Generator[tuple[np.ndarray, Features], None, None]:
    """Yield the features of every sample, batch by batch, and their places; view k is the augmentation of epoch k.

    The places of view k of N samples begin at k * N.

    count: is told how many images are done; ranks: each computes a share of them, and all get all.
    """
    ordered = batches.in_order(batch_size=batch_size, augmented=views > 0)
    for epoch in range(max(views, 1)):
        start = epoch * len(batches.samples)
        if ranks.size > 1:
            for places, features in shared_parts(ordered, base, epoch, ranks):
                count(len(features))
                yield places + start, features
            continue
        for batch in ordered.epoch(epoch):
            features = base.features(cast(Given, batch.inputs))
            count(len(features))
            yield batch.indices + start, features


def shared_parts(ordered: Batches, base: Base, epoch: int, ranks: Ranks) -> Iterator[tuple[np.ndarray, Features]]:
    """Yield the features of every batch, of which each rank computes every so many, in the batches' order."""
    plan = ordered.plan(epoch)
    own = ordered.epoch(epoch, ranks.rank, None, ranks.size)
    for start in range(0, len(plan), ranks.size):
        content = b""
        with together(ranks):
            for batch in islice(own, 1):
                content = packed([dict(base.features(cast(Given, batch.inputs)).taps)])
        for number, given in zip(range(start, len(plan)), ranks.gather(content), strict=False):
            yield plan[number], Features(received(given)[0])


def unpacked(batches: Batches, views: np.ndarray, like: Features) -> FeatureBatches:
    """Return batches with packed features (views, N, ...) of taps like these."""
    return FeatureBatches(batches, [like.unpacked(view) for view in views])


def in_turn(parts: Iterator[Part], dtype: np.dtype, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the parts in the order of the samples; where they come in another one they are gathered first."""
    start = 0
    for places, part in parts:
        if not np.array_equal(places, np.arange(start, start + len(part))):
            rest = gathered(chain([(places, part)], parts), dtype, shape)
            yield rest.reshape(-1, *shape[2:])[start:]
            return
        yield part
        start += len(part)


def gathered(parts: Iterator[Part], dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the parts in one array of that shape, (views, N, ...), without ever holding them twice."""
    features = np.empty(shape, dtype)
    rows = features.reshape(-1, *shape[2:])
    for places, part in parts:
        rows[places] = part
    return features
