"""Several processes that train together on this machine, and what each number of them makes of the same recipes.

`python -m parity_tests.support.ranks WING OUT NAME...` is one of them; rank 0 writes OUT/NAME.npz: every gradient of a
step, and the state after STEPS steps that cross a short last batch.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ft.api.launch import free_ports

ROOT = Path(__file__).parents[2]
STEPS = 50
PATIENCE = 1800  # seconds, of which a good end needs few

SMALL = {  # BatchNorm, dropout and an odd batch, of 7
    "model": "resnet18",
    "cut": "layer2",
    "head": "12-relu-dropout0.3",
    "weights": "none",
    "freeze": "none",
    "image_size": 16,
    "batch_size": 7,
    "precision": "float64",
    "lr": 0.01,
    "workers": 0,
    "cache": "off",
    "seed": 3,
}
BOXES = {  # of which a step draws other numbers from each picture
    "model": "fasterrcnn_mobilenet_v2_fpn",
    "weights": "none",
    "freeze": "stem,stage1,stage2,stage3,stage4",
    "data": "scenes",
    "image_size": 64,
    "precision": "float64",
    "lr": 1e-3,
    "workers": 0,
    "cache": "off",
    "seed": 3,
}
CASES: dict[str, dict[str, Any]] = {
    "plain": {**SMALL, "optimizer": "sgd", "momentum": 0.9},
    "clipped": {**SMALL, "clip_norm": 0.05, "ema": 0.9, "weight_decay": 0.01, "optimizer": "adamw"},
    "mixed parts": {**SMALL, "batch_size": 3, "accumulate": 3, "mixup": 0.4, "cutmix": 0.4, "l2": 1e-3},
    "weighted": {**SMALL, "class_weights": "1,2,3,4,5,6,7,8,9,10", "label_smoothing": 0.1, "sampling": "balanced"},
    "apart": {**SMALL, "bn_sync": "off"},
}
RULES: dict[str, dict[str, Any]] = {  # the other optimizers and penalties, and a detector
    "adam": {**SMALL, "optimizer": "adam", "eps": 1e-3, "l2": 1e-3, "sampling": "balanced"},
    "rmsprop": {**SMALL, "optimizer": "rmsprop", "eps": 1e-3, "l1": 1e-4, "clip_value": 0.01},
    "adagrad": {**SMALL, "optimizer": "adagrad", "eps": 1e-3, "ema": 0.9, "accumulate": 2, "batch_size": 4},
    "lars": {**SMALL, "optimizer": "lars", "weight_decay": 0.01, "layer_decay": 0.8},
    "drawn": {**BOXES, "batch_size": 5},
    "drawn in parts": {**BOXES, "batch_size": 2, "accumulate": 3},
}
LENGTHS = {"drawn": 4, "drawn in parts": 4}  # else STEPS
SHORT, FEW = {**SMALL, "clip_norm": 0.05, "batch_size": 7}, 3  # what a planted fault has to show itself in
FAULTS = ("mean of means", "a rank's own noise", "one rank's own clip", "parts without their distance")

DIGITS = {**SMALL, "batch_size": 95, "epochs": 2, "cache_limit": 0.1}  # a last batch of 12
TEXTS = {
    "model": "network",
    "freeze": "none",
    "precision": "float64",
    "batch_size": 7,
    "epochs": 2,
    "max_length": 24,
    "lr": 5e-3,
}
BOXED = {
    "weights": "none",
    "image_size": 64,
    "epochs": 2,
    "batch_size": 5,
    "freeze": "stem,stage1,stage2,stage3,stage4",
    "precision": "float64",
    "cache": "off",
    "lr": 1e-3,
}
MOVED = " moved"
RUNS: dict[str, dict[str, Any]] = {  # whole trainings; names of files are of those that `make_data` makes
    "head": {**DIGITS, "freeze": "base", "cache": "disk", "average_best": 2, "result": "average"},
    "thawing": {
        **DIGITS,
        "epochs": 3,
        "freeze": "base",
        "unfreeze": "2:layer1",
        "ema": 0.9,
        "result": "best",
        "schedule": "plateau",
        "patience": 2,
        "accumulate": 2,
        "batch_size": 50,
    },
    "masks": {
        "model": "lraspp_mobilenet_v3_large",
        "weights": "none",
        "data": "squares",
        "image_size": 32,
        "epochs": 2,
        "batch_size": 5,
        "freeze": "none",
        "precision": "float64",
        "cache": "off",
        "loss": "cross-entropy-dice",
    },
    "labels": {**SMALL, "data": "colours/labels.csv", "loss": "bce", "image_size": 32, "epochs": 2},
    "boxes": {**BOXED, "model": "fasterrcnn_mobilenet_v2_fpn", "data": "boxes/boxes.csv"},
    "anchors": {**BOXED, "model": "retinanet_mobilenet_v2_fpn", "data": "boxes/boxes.csv"},
    "instances": {**BOXED, "model": "maskrcnn_mobilenet_v2_fpn", "data": "bars"},
    "points": {**BOXED, "model": "keypointrcnn_mobilenet_v2_fpn", "data": "bars"},
    "texts": {**TEXTS, "data": "texts.csv"},
    "tags": {**TEXTS, "data": "tags.conll", "task": "token-classification"},
    "numbers": {**TEXTS, "data": "numbers.csv", "task": "regression"},
    "language": {**TEXTS, "data": "plain.txt", "model": "gpt2"},
}


def make_data(folder: Path) -> Path:
    """Make the files that RUNS name, and return the folder."""
    from parity_tests.support.coco_folders import coco_folder
    from parity_tests.support.pairs import boxes_csv, colours_csv, squares_folder
    from parity_tests.support.text_runs import numbers, plain, table, tagged, tiny_folder

    for name in ("squares", "boxes", "colours", "bars"):
        (folder / name).mkdir(parents=True)
    squares_folder(folder / "squares", count=16)
    boxes_csv(folder / "boxes", count=16)
    colours_csv(folder / "colours", count=30)
    coco_folder(folder / "bars", count=16)
    tiny_folder(folder / "network")
    tiny_folder(folder / "gpt2", "gpt2")
    table(folder / "texts.csv")
    tagged(folder / "tags.conll")
    numbers(folder / "numbers.csv")
    plain(folder / "plain.txt")
    return folder


def environments(wing: str, count: int) -> list[dict[str, str]]:
    """Return what each of so many processes finds in its environment."""
    ports = free_ports(count)
    plain = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for_one = dict.fromkeys(("WORLD_SIZE", "TF_CONFIG"), "")
    if count == 1:
        return [{**os.environ, **plain, **for_one}]
    if wing == "torch":
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0]), "WORLD_SIZE": str(count)}
        own = [{**address, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    else:
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        tasks = [{"type": "worker", "index": rank} for rank in range(count)]
        own = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]
    return [{**os.environ, **plain, **for_one, **each} for each in own]


def start(
    wing: str,
    count: int,
    command: list[Any],
    cwd: Path = ROOT,
    *,
    only: int | None = None,
    place: Mapping[str, str] | None = None,
    **options: Any,
) -> list[subprocess.Popen]:
    """Start so many processes `python COMMAND`, or each its own of several commands.

    only: the rank that is started alone; place: what they are told otherwise.
    """
    commands = command if isinstance(command[0], list) else [command] * count
    pairs = list(zip(commands, environments(wing, count), strict=True))
    return [
        subprocess.Popen(
            [sys.executable, *own],
            env={**environment, **(place or {}), "PYTHONPATH": str(ROOT)},
            cwd=cwd,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        for own, environment in (pairs if only is None else pairs[only : only + 1])
    ]


def ended(processes: list[subprocess.Popen], seconds: float = PATIENCE) -> list[tuple[int, str, str]]:
    """Return exit code, output and errors of each process, killed where it does not end in time."""
    found = []
    for process in processes:
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
        found.append((process.returncode, out, errors))
    return found


def require_success(found: list[tuple[int, str, str]]) -> None:
    """Fail with all that was printed unless all ended well."""
    assert not any(code for code, _, _ in found), "\n".join(f"[{code}] {out}{errors}" for code, out, errors in found)


def results(wing: str, count: int, folder: Path, names: Collection[str] = tuple(CASES)) -> dict[str, Mapping[str, Any]]:
    """Return what so many ranks make of the cases: arrays by name."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["-m", "parity_tests.support.ranks", wing, str(folder), *names]
    require_success(ended(start(wing, count, command)))
    return {name: dict(np.load(folder / f"{name}.npz")) for name in names}


class WithoutDistance:
    """Ranks who tell each other the mean of all for their own."""

    def __init__(self, ranks: Any) -> None:
        self.ranks = ranks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ranks, name)

    def each(self, x: Any) -> Any:
        """Return mean, variance and count of each rank, a row each."""
        rows = self.ranks.each(x)
        means, counts = rows[:, : len(x) // 2], rows[:, -1:]
        means[:] = (means * counts).sum(0) / counts.sum()
        return rows


def planted(fault: str, learner: Any, batches: list[Any]) -> list[Any]:
    """Plant a fault in PyTorch's learner, or in its batches, and return these."""
    place = [batch.place for batch in batches]
    if fault == "mean of means":  # each rank's mean counts alike, however many samples it has
        own = [len(p.positions) * learner.ranks.size for p in place]
        return [b.at(replace(p, weight=float(n))) for b, p, n in zip(batches, place, own, strict=True)]
    if fault == "a rank's own noise":
        passes = [tuple(replace(part, first=0) for part in p.passes) for p in place]
        return [b.at(replace(p, passes=own)) for b, p, own in zip(batches, place, passes, strict=True)]
    if fault == "parts without their distance":  # BatchNorm's variance, were the ranks' means all alike
        learner.ranks = WithoutDistance(learner.ranks)
        return batches
    from ft_torch.optim import clip_gradients

    summed = learner.of_all_ranks  # one rank's own clip: each clips its part, before the sum
    clip = learner.recipe.clip_norm / learner.ranks.size
    learner.of_all_ranks = lambda loss, right, own: summed(loss, right, clip_gradients(own, norm=clip))
    return batches


def of_case(fields: dict[str, Any], wing: str, ranks: Any, *, fault: str = "", steps: int = STEPS) -> dict[str, Any]:
    """Return the gradients of a step of a recipe, and the state after all of them. fault: see `planted`."""
    from ft.backend import contract
    from ft.training.build import build_learner
    from ft.training.job import prepare_job, recipe_of
    from ft.training.ranks import meet

    job = replace(prepare_job(recipe_of(fields), quiet=True), ranks=ranks)
    learner, _ = build_learner(job, contract.load(wing), device="cpu")
    start_weights, batches, found = learner.get_weights(), job.batches("train"), {}
    length = len(batches)
    source = [*islice(batches.epoch(0, length - 5), 5), *islice(batches.epoch(1), max(steps - 5, 0))][-steps:]
    met = [meet(ranks, batch, learner.objective, stop=None, error=None)[0] for batch in source]
    met = planted(fault, learner, met) if fault else met
    loss, _, gradients = learner.gradients(met[0], step=5)
    found |= {f"gradient {name}": g for name, g in gradients.items()} | {"loss": np.array(loss)}
    learner.set_weights(start_weights)
    probes = [learner.step(batch, step=step, lr=np.float64(job.recipe.lr)) for step, batch in enumerate(met)]
    found |= {"probes": learner.fetch(probes)} | {f"weight {n}": w for n, w in learner.get_weights().items()}
    return found | {f"slot {name}": slot for name, slot in learner.get_slots().items()}


def whole_run(name: str, wing: str, folder: Path) -> None:
    """Train by one of RUNS into a folder, beside which the data is; "NAME moved" from weights moved by one ulp."""
    import ft
    from ft.parity.sensitivity import moved_by_one_ulp
    from ft.training.build import start_changed

    def placed(field: str, value: Any) -> Any:
        path = folder.parent / "data" / str(value)
        return str(path) if field in ("data", "model") and path.exists() else value

    fields = {field: placed(field, value) for field, value in RUNS[name.removesuffix(MOVED)].items()}
    with start_changed(moved_by_one_ulp) if name.endswith(MOVED) else nullcontext():
        ft.finetune(backend=wing, out=folder / name, quiet=True, cache_dir=str(folder / "cache"), **fields)


def runs(wing: str, count: int, folder: Path, names: Collection[str] = tuple(RUNS)) -> dict[str, Path]:
    """Return the run folders of so many ranks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = ["-m", "parity_tests.support.ranks", wing, str(folder), *names]
    require_success(ended(start(wing, count, command), PATIENCE * len(names)))
    return {name: folder / name for name in names}


def main(wing: str, folder: Path, *names: str) -> None:
    """Run cases as the rank that the environment says."""
    from ft.training.ranks import connect

    ranks = connect(wing, {"device": "cpu"})
    ranks.large = 1000  # so that some tensors are
    for name in names:
        if name.removesuffix(MOVED) in RUNS:
            whole_run(name, wing, folder)
            continue
        short = name == "short" or " with " in name
        options = {"fault": name.partition(" with ")[2], "steps": FEW} if short else {}
        options = options or {"steps": LENGTHS.get(name, STEPS)}
        found = of_case(SHORT if short else {**CASES, **RULES}[name], wing, ranks, **options)
        if ranks.writes:
            np.savez(folder / f"{name}.npz", **found)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
