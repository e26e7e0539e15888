"""A finished run: its model, its numbers, and what it says about images. Any run opens in either wing."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, overload

import numpy as np
from PIL.Image import Image

from ft import recipe as recipes
from ft.api import asked, asked_texts
from ft.api.asked import BadImages, Picture, require
from ft.backend.contract import Learner
from ft.data import (
    Batch,
    Batches,
    Policy,
    Preprocess,
    Reading,
    Sample,
    Sampling,
)
from ft.data.batches.lenient import LenientBatches
from ft.data.sources.dataset import Source
from ft.data.sources.recorded import find_again, recorded, require_same_data
from ft.data.text.process import TextProcess
from ft.errors import DataError, RecipeError, UserError, article
from ft.metrics.detection import Found
from ft.metrics.matches import SURE
from ft.metrics.run_lengths import Runs
from ft.recipe import Recipe
from ft.report.training.page import write_training_report
from ft.report.training.summary import run_line, run_table
from ft.runs import folder as runfolder
from ft.system.names import BOXES, DETECTIONS, MODEL, PREDICTIONS
from ft.system.progress import counting
from ft.tasks import task_in
from ft.tasks.task import Task
from ft.training.build import load_learner
from ft.training.evaluate import Counted, evaluate
from ft.training.ways import way_of
from ft.weights import read_weights
from ft.zoo import Card, find_card

WITH_BOXES = ("detection", "instances", "keypoints")  # tasks
ANSWERS = (PREDICTIONS, BOXES, DETECTIONS)  # what is written of each image


@dataclass(frozen=True)
class Guess:
    """One class that a network sees in an image."""

    label: str
    probability: float


@dataclass(frozen=True)
class Box:
    """One object that a network sees in an image: its class, its score, its edges in the image's own pixels.

    runs: the pixels that it covers, where the network says them; keypoints: x, y, and how high the heatmap of each is
    there, where it says these.
    """

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float
    runs: Runs | None = field(default=None, repr=False)
    keypoints: tuple[tuple[float, float, float], ...] | None = field(default=None, repr=False)

    @property
    def mask(self) -> np.ndarray | None:
        """The pixels that it covers, bool (H, W) of the image's own size; None where the network says none."""
        return None if self.runs is None else self.runs.mask

    @property
    def row(self) -> dict[str, Any]:
        """Its values by name, the mask as COCO's JSON has it."""
        names = ("label", "score", "x1", "y1", "x2", "y2")
        mask = {} if self.runs is None else {"segmentation": self.runs.as_coco}
        points = {} if self.keypoints is None else {"keypoints": [list(point) for point in self.keypoints]}
        return {**{name: getattr(self, name) for name in names}, **mask, **points}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says of one image: its position among those asked about, guesses, a mask or boxes if it gives
    these.
    """

    index: int
    guesses: list[Guess]
    mask: np.ndarray | None = None
    boxes: list[Box] | None = None


def warn(line: str) -> None:
    """Warn the caller of `Run.predict`."""
    warnings.warn(line, UserWarning, stacklevel=4)


class Run:
    """A run folder opened in one wing. The model is built when it is first needed."""

    def __init__(self, folder: str | Path, *, backend: str | None = None, learner: Learner | None = None) -> None:
        self.folder = Path(folder)
        self.result = runfolder.read_result(self.folder, to_open=True)
        self.backend = backend or self.result["backend"]
        self._learner = learner

    def __repr__(self) -> str:
        return run_line(self.folder, self.result, self.backend)

    def _repr_html_(self) -> str:
        return run_table(self.folder, self.result, self.backend)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the network's outputs."""
        return tuple(self.result["classes"])

    @property
    def task(self) -> Task:
        """What its labels are."""
        return task_in(self.result)

    @property
    def recipe(self) -> Recipe:
        """What was trained, and how."""
        return recipes.from_dict(self.result["recipe"])

    @property
    def metrics(self) -> dict[str, Any]:
        """`top1`, `top5`, `loss`, `macro_f1`, `matthews` and `ece` on the validation images, when the run ended.

        Of a multi-label run: `mAP`, `exact_match`, `loss` and `macro_f1`; of detection `AP`, `AP50` and COCO's others.
        `test`, where the data has test images, holds
        the same of these.
        """
        return self.result["metrics"]

    @cached_property
    def card(self) -> Card:
        """The card of its network."""
        return find_card(self.recipe.model, self.folder)

    @property
    def asking(self) -> ModuleType:
        """What it may be asked about."""
        return asked_texts if self.card.inputs == "text" else asked

    @cached_property
    def preprocess(self) -> Preprocess | TextProcess:
        """How pixels, or texts, become the network's input."""
        return way_of(self.card).reopened(self.folder, self.result["preprocess"], self.card)

    @property
    def learner(self) -> Learner:
        """The network in its wing."""
        if self._learner is None:
            tensors = read_weights(self.folder / MODEL)
            self._learner = load_learner(
                self.recipe,
                self.task,
                tensors,
                len(self.classes),
                image_size=self.preprocess.crop,
                backend=self.backend,
                home=self.folder,
            )
        return self._learner

    @property
    def model(self) -> Any:
        """The trained network: a torch.nn.Module or a keras.Model, yours to take away."""
        return self.learner.model

    @overload
    def predict(
        self, images: np.ndarray | Image, *, top: int = 5, on_bad_image: BadImages = "error", quiet: bool = False
    ) -> list[Guess]: ...
    @overload
    def predict(  # pyright: ignore[reportOverlappingOverload] - a str is not meant as its letters
        self, images: str | Path, *, top: int = 5, on_bad_image: BadImages = "error", quiet: bool = False
    ) -> list[Guess] | dict[str, list[Guess]]: ...
    @overload
    def predict(
        self, images: Iterable[Picture], *, top: int = 5, on_bad_image: BadImages = "error", quiet: bool = False
    ) -> list[list[Guess]]: ...
    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        top: int = 5,
        on_bad_image: BadImages = "error",
        quiet: bool = False,
    ) -> list[Guess] | list[list[Guess]] | dict[str, list[Guess]]:
        """Return the `top` most probable classes of images, best first.

        images: one image, which gives a list of guesses: the path of a file, an image that Pillow opened, or uint8
        pixels (H, W) or (H, W, 3); a list of such, which gives a list of lists; or the path of a folder, a pattern such
        as "photos/**/*.jpg", or a CSV with a column path, which gives a dict of lists by name. The names of a folder
        are relative to it, at any depth, in the order of their bytes.

        Of a run on text: one text or a pair of texts (a tuple); a list of these; or the path of a CSV or TSV with a
        column text, and perhaps text_pair, of a .txt, or of a folder of these. A str that names what exists, or that
        has no blank and ends as such a file does, is a path; within a list each str is a text itself.

        on_bad_image: "skip" warns of each image that cannot be used; its guesses are [], in a dict it is left out.
        quiet: without the progress bar of what takes more than one batch. Of a multi-label run all classes that are
        more probable than one half are named, where these are more than `top`.
        """
        return self.of_each(images, lambda answer: answer.guesses, top=top, on_bad_image=on_bad_image, quiet=quiet)

    def of_each(
        self,
        images: Picture | Iterable[Picture],
        value: Callable[[Answer], Any],
        *,
        top: int,
        on_bad_image: BadImages,
        quiet: bool,
    ) -> Any:
        """Return the value of the answer to each image, or of an empty one, in the form that `images` has."""
        require(top, on_bad_image)
        given = self.asking.asked_for(images, missing=on_bad_image == "skip")
        values: dict[int, Any] = {}
        quiet = quiet or len(given.samples) <= self.recipe.batch_size
        with counting("predicting", len(given.samples), self.card.unit, quiet=quiet) as count:
            for answer in self.answers(given.samples, top=top, on_bad_image=on_bad_image, count=count):
                values[answer.index] = value(answer)
        if given.form == "dict":
            return {given.samples[index].name: values[index] for index in sorted(values)}
        every = [values[i] if i in values else value(Answer(i, [])) for i in range(len(given.samples))]
        return every if given.form == "list" else every[0]

    def answers(
        self,
        samples: Sequence[Sample],
        *,
        top: int,
        on_bad_image: BadImages = "error",
        count: Callable[[int], None] = lambda images: None,
        say: Callable[[str], None] = warn,
    ) -> Iterator[Answer]:
        """Yield the answer to each image, batch by batch: nothing that was yielded is kept.

        count: told how many more are done; say: told of each image that is skipped.
        """

        def leave_out(index: int, fault: DataError) -> None:
            named = isinstance(samples[index].source, Path)  # else the fault does not say which image
            say(f"skipped: {fault}" if named else f"skipped: {unit} {samples[index].name}: {fault}")
            count(1)

        skip, unit = on_bad_image == "skip", self.card.unit
        usable = way_of(self.card).usable(samples, self.preprocess, leave_out if skip else None)
        if not len(usable):
            return
        batches = self.batches([samples[index] for index in usable])
        for batch in (LenientBatches(batches, leave_out) if skip else batches).epoch(0):
            if len(batch):
                yield from (replace(each, index=usable[each.index]) for each in self.answers_of(batch, top))
            count(len(batch))

    def answers_of(self, batch: Batch, top: int) -> Iterator[Answer]:
        """Yield the answer to each image of a batch."""
        outputs = self.learner.outputs(batch.inputs)
        guesses = self.task.guesses(outputs, batch.targets, top)
        masks = self.task.masks(outputs, batch.targets) or [None] * len(batch)
        boxes = self.task.boxes(outputs, batch.targets) or [None] * len(batch)
        for index, own, mask, detections in zip(batch.indices, guesses, masks, boxes, strict=True):
            named = [Guess(self.classes[k], probability) for k, probability in own]
            yield Answer(int(index), named, mask, None if detections is None else self.boxes_of(detections))

    def boxes_of(self, detections: Found) -> list[Box]:
        """Return the detections of an image, best first."""
        masks = detections.masks or [None] * len(detections.classes)
        arrays = detections.classes, detections.scores, detections.corners
        said = [None] * len(masks) if detections.points is None else detections.points.tolist()
        rows = zip(*(array.tolist() for array in arrays), masks, said, strict=True)
        return [
            Box(self.classes[k], score, *corners, runs=mask, keypoints=None if own is None else tuple(map(tuple, own)))
            for k, score, corners, mask, own in rows
        ]

    def masks(
        self, images: Picture | Iterable[Picture], *, on_bad_image: BadImages = "error", quiet: bool = False
    ) -> np.ndarray | list[np.ndarray | None] | dict[str, np.ndarray]:
        """Return the class of every pixel, uint8 (H, W) of the image's own size, in the forms that `predict` has.

        images, on_bad_image: see `predict`. RecipeError for a run whose network gives no masks.
        """
        if self.task.name != "segmentation":
            raise RecipeError(
                f"{self.folder} is {article(self.task.name)} run, whose network gives no masks; ask run.predict"
            )
        return self.of_each(images, lambda answer: answer.mask, top=1, on_bad_image=on_bad_image, quiet=quiet)

    def boxes(
        self,
        images: Picture | Iterable[Picture],
        *,
        score: float = SURE,
        on_bad_image: BadImages = "error",
        quiet: bool = False,
    ) -> list[Box] | list[list[Box]] | dict[str, list[Box]]:
        """Return the objects on images, of at least a score, best first, in the forms that `predict` has.

        images, on_bad_image: see `predict`. RecipeError for a run whose network gives no boxes.
        """
        if self.task.name not in WITH_BOXES:
            raise RecipeError(
                f"{self.folder} is {article(self.task.name)} run, whose network gives no boxes; ask run.predict"
            )

        def value(answer: Answer) -> list[Box]:
            return [box for box in answer.boxes or () if box.score >= score]

        return self.of_each(images, value, top=1, on_bad_image=on_bad_image, quiet=quiet)

    def evaluate(
        self, data: str | None = None, *, out: str | Path | None = None, quiet: bool = False
    ) -> dict[str, float | None]:
        """Return what `metrics` holds, on a folder or CSV, or on the run's own validation images.

        Where `data` is the run's own, wherever it lies now, these too are its validation images. out: a folder that
        gets what a run's has of each image, such as predictions.csv; quiet: without a progress bar.
        """
        folder = None if out is None else runfolder.claimed(Path(out), replaceable=ANSWERS)
        samples = self.samples_of(data, quiet=quiet) if data else self.validation_samples(quiet=quiet)
        batches, table = self.batches(samples), self.task.predictions()
        with counting("evaluating", len(samples), self.card.unit, quiet=quiet) as count:
            meter = self.task.meter(self.classes)
            figures = evaluate(self.learner, Counted(batches, count), meter, *[table] * (folder is not None)).result()
        if folder is not None:
            table.write(folder, [samples[i].name for i in np.concatenate(batches.plan(0))], self.classes)
        return figures

    def samples_of(self, data: str, *, quiet: bool) -> tuple[Sample, ...]:
        """Return what is measured of a source, which is read once: of the run's own its validation images."""
        source = self.read_data(data, quiet=quiet)
        return (recorded(source.split, self.result.get("data", {})) or source.to_evaluate()).val

    def validation_samples(self, data: str | None = None, *, quiet: bool = True) -> tuple[Sample, ...]:
        """Return the run's own validation images; DataError where they are not found, RunError where they changed.

        data: where they are now; quiet: without a bar while images are tried out.
        """
        record, opened = self.result.get("data", {}), cache(lambda spec: self.read_data(spec, quiet=quiet).split())
        dataset = opened(data or find_again(self.recipe.data, record, self.folder, opened))
        require_same_data(dataset, record, self.folder, "or pass --data DIR for other images")
        return dataset.val

    def read_data(self, spec: str, *, quiet: bool) -> Source:
        """Return a source of data, read as the run read its own."""
        way, policy = way_of(self.card), replace(self.policy, quiet=quiet)
        return way.read_data(self.recipe, spec, classes=self.classes, policy=policy, labels=self.task.labels)

    @property
    def policy(self) -> Policy:
        """What the run's recipe says of images that cannot be read."""
        return way_of(self.card).policy_of(self.recipe, self.card, quiet=True)

    def write_report(self, data: str | None = None, *, say: Callable[[str], None] | None = None) -> Path:
        """Write report.html and confusion.png again and return the page's path. Needs no framework.

        data: where the run's images are now. Where they are not to be had, the page keeps the thumbnails that it has,
        and that is told to `say`, or else warned of.
        """
        try:
            samples = self.validation_samples(data)
        except UserError as error:
            if data:
                raise
            samples, told = None, f"nothing new to show, for {error}"
            say(told) if say else warnings.warn(told, UserWarning, stacklevel=2)
        return write_training_report(self.folder, self.result, samples)

    def batches(self, samples: Sequence[Sample]) -> Batches:
        """Return samples as this network's input."""
        recipe, reading = self.recipe, Reading.of(self.recipe, as_pixels=True)
        teach = self.task.teach(classes=len(self.classes), dtype=recipe.dtype)
        make = way_of(self.card).batches_for(self.task)
        return make(samples, self.preprocess, Sampling(recipe.batch_size), reading=reading, teach=teach)
