"""What the files of a run may hold: keys, types and ranges of model.json, state.json, last.json and log.jsonl."""

from dataclasses import replace
from typing import Any

from ft.errors import UserError
from ft.system.names import MODEL, OPTIMIZER
from ft.system.reading import (
    DIGEST,
    FLAG,
    OBJECT,
    Check,
    items,
    named,
    number,
    one_of,
    optional,
    or_null,
    require,
    row_of,
    shortened,
    table,
    text,
    unfit,
    whole,
)

SHARE, SECONDS = number(0, 1), number(0, 1e12)
NAMES = items(text(), least=1)
PIXELS = whole(1, 9459)  # a side; its square is the largest image that is resized to
SHARES = ("top1", "top5", "exact_match", "macro_f1", "mAP", "ece", "mean_iou", "pixel_accuracy")
MEASURED = {name: optional(or_null(SHARE)) for name in SHARES}
METRICS = table(MEASURED, others=or_null(number()))  # of one split
IMAGES = table({"resize": PIXELS, "crop": PIXELS, **{key: items(number(), most=4) for key in ("mean", "std")}})
TEXTS = table({"max_length": whole(1), "pad": whole(), "side": one_of("right", "left"), "types": FLAG}, others=None)
PREPROCESS = replace(OBJECT, parts=lambda x: (TEXTS if "max_length" in x else IMAGES).parts(x))
DATA = table(
    {
        "train": whole(1),
        "val": whole(1),
        "test": optional(whole()),
        "leaked": optional(whole()),
        "sha256": text(64),
        "skipped": optional(items(text())),
        "path": optional(or_null(text())),
    }
)
WING, FIELDS = one_of("torch", "tf"), Check("the fields of a recipe", lambda x: isinstance(x, dict))
SESSION = table(
    {
        "step": whole(),
        "epoch": whole(),
        "backend": WING,
        "recipe": FIELDS,
        "versions": optional(named(text(200))),
        **{key: optional(text()) for key in ("began", "command", "machine")},
    }
)
FACTS = {
    "backend": WING,
    "recipe": FIELDS,
    "task": optional(text(100)),
    "classes": NAMES,
    "preprocess": PREPROCESS,
    "data": DATA,
    "versions": optional(named(text(200))),
    "history": optional(items(SESSION, least=1)),
}
COUNTS, SHARES_KNOWN = items(whole()), items(or_null(SHARE))
BY_CLASS = (  # lists of a value for each class, and what a task of this name must have
    *(f"class_{name}" for name in ("AP", "AP50", "AR100")),
    *(f"class_{kind}_{name}" for kind in ("mask", "keypoint") for name in ("AP", "AP50", "AR100")),
    *("average_precision", "curves", "pixel_confusion", "colours", "category_ids"),
)
OF_BOXES = ("class_AP", "class_AP50", "class_AR100", "curves")
NEEDED = {"segmentation": ("pixel_confusion",), **dict.fromkeys(("detection", "instances", "keypoints"), OF_BOXES)}
LENGTHS = table(
    {
        "max_length": whole(1),
        "padded": items(whole(1), least=1),
        **dict.fromkeys(("train", "val"), COUNTS),
        "cut": table({split: whole() for split in ("train", "val")}),
    }
)
OF_A_RUN = {
    **FACTS,
    "architecture": text(200),
    "head": optional(or_null(Check("text, or a list of texts", lambda x: isinstance(x, str) or all_text(x)))),
    "metrics": table({**MEASURED, "test": optional(METRICS)}, others=or_null(number())),
    "train_metrics": optional(or_null(table({"images": whole(1), **MEASURED}, others=or_null(number())))),
    **{name: optional(SHARES_KNOWN) for name in BY_CLASS},
    "curves": optional(items(items(or_null(SHARE), least=101, most=101))),
    "pixel_confusion": optional(items(COUNTS)),
    "colours": optional(items(whole(0, 0xFFFFFF))),
    "category_ids": optional(items(whole(-(2**63), 2**63))),
    "lengths": optional(LENGTHS),
    "epoch": optional(or_null(whole())),
    "averaged_epochs": optional(items(whole())),
    "seconds": optional(SECONDS),
    "sha256": optional(named(DIGEST)),
}
RUN = table(OF_A_RUN)  # model.json of a run that is opened
RESULT = table({key: optional(check) for key, check in OF_A_RUN.items()})  # of one that only numbers are taken from
POSITION = table(
    {
        **{key: whole() for key in ("step", "epoch", "batch", "images", "best_epoch")},
        "loss_sum": number(),
        "right": optional(or_null(whole())),
        "best_score": optional(or_null(number())),
        "best_top1": optional(number()),  # before there were other scores
        "seconds": optional(SECONDS),
        "ranked": optional(items(row_of(or_null(number()), whole(), whole()))),
        "plateau": optional(
            table({"reduction": SHARE, "best": or_null(number()), "waited": whole()}, others=None),
        ),
    },
    others=None,
)
STATE = table(
    {
        "format": whole(1),
        "step": whole(),
        "sha256": table({MODEL: DIGEST, OPTIMIZER: DIGEST}),
        "frozen": optional(or_null(DIGEST)),
    }
)
TRAINING = table({"position": POSITION, **FACTS})  # what a training goes on from, beside that
POINTER = table({"step": whole()})
ROW = table(
    {
        "step": optional(whole()),
        "epoch": optional(whole()),
        "epoch_end": optional(FLAG),
        "note": optional(text()),
    },
    others=Check("a finite number, or null", lambda x: x is None or isinstance(x, bool) or number().holds(x)),
)
EPOCH_ROW = table({"step": whole(1), "epoch": whole(1)})


def all_text(value: Any) -> bool:
    """Tell whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def whole_recipe(record: dict[str, Any], where: object) -> dict[str, Any]:
    """Return the recipe in a record with all of its fields, and its version; RunError where it is none."""
    from ft.recipe import VERSION, from_dict, renewed, to_dict  # not at the top: it reads YAML

    try:
        recipe = from_dict(renewed(record["recipe"], record.get("recipe_version", 1)))
        return {"recipe": to_dict(recipe), "recipe_version": VERSION}
    except UserError as error:
        why = shortened(str(error), 200)
        raise unfit(where, "recipe", record["recipe"], f"the fields of a recipe ({why})") from None


def checked_training(state: dict[str, Any], where: object) -> dict[str, Any]:
    """Return the state that a training goes on from, after a look at every key, its recipe with every field."""
    require(state, TRAINING, where)
    require_together(state["position"], state["step"], where)
    return {**state, **whole_recipe(state, where)}


def require_together(at: dict[str, Any], step: int, where: object) -> None:
    """Raise RunError where the numbers of the position at a checkpoint's step contradict each other."""
    for key, most, of in (
        ("epoch", at["step"], "updates"),
        ("batch", at["step"] - at["epoch"], "updates beside one an epoch"),
        ("best_epoch", at["epoch"], "epochs"),
    ):
        if at[key] > most:
            raise unfit(where, f"position.{key}", at[key], f"at most {most}, for there were so many {of}")
    if at["step"] != step:
        raise unfit(where, "position.step", at["step"], f"the checkpoint's step, {step}")
    if at["images"] < at["batch"]:
        raise unfit(where, "position.images", at["images"], f"at least one for each of {at['batch']} batches")
    if (right := at.get("right") or 0) > at["images"]:
        raise unfit(where, "position.right", right, f"at most {at['images']}, for there were so many images")
