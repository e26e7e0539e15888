"""What a step on masks costs: `python -m ft_peers.segmentation whole`, or `head`.

DeepLabV3 on ResNet-50, pictures of 256 px, batches of 8, SGD, both heads. whole: training steps of all weights, with
decoding. head: ten epochs with a frozen backbone, each with its look at a fourth as many pictures that validate. The
reference is torchvision's loop for segmentation, from its description: random scale, flip and crop, images as (N, C, H,
W), cross-entropy that leaves 255 out, half of it for the auxiliary head, poly by step; for Keras the same loop with the
port. Steps of one size cost the same, so that some are measured, and scaled to 160 pictures, but not of a whole run of
this project, whose start and end would be scaled, too. How programs are run, and which seconds to compare:
ft_peers/text.py.
"""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from ft_peers.rounds import compare, elapsed, flags_of, started

MODEL, BATCH, SIZE, CLASSES, LEFT_OUT = "deeplabv3_resnet50", 8, 256, 21, 255
LR, MOMENTUM, DECAY, EPOCHS, PICTURES = 0.01, 0.9, 1e-4, 10, 160
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
WARM = 1  # steps that choose kernels, or trace
PROGRAMS = ("reference-torch", "ft-torch", "textbook-keras", "ft-tf")
FLAGS = flags_of(__doc__, steps=(5, "measured of `whole`"), pictures=(32, "of `head`, measured of the loops"))


def lay_out(folder, count):
    """Write pictures and masks of blobs, and a fourth as many that validate."""
    rng = np.random.default_rng(0)
    for split, number in {"train": count, "val": max(count // 4, 1)}.items():
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for i in range(number):
            blobs = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
            picture = Image.fromarray(blobs).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            mask = Image.fromarray((blobs[..., 0] % CLASSES).astype(np.uint8))
            picture.save(folder / "images" / split / f"{i}.jpg")
            mask.resize((SIZE, SIZE), Image.Resampling.NEAREST).save(folder / "masks" / split / f"{i}.png")
    (folder / "classes.txt").write_text("\n".join(f"class{k}" for k in range(CLASSES)))
    return folder


def paths(folder, split):
    """Return the files of a split, in pairs."""
    images = sorted((folder / "images" / split).iterdir())
    return [(path, folder / "masks" / split / f"{path.stem}.png") for path in images]


def decoded(pair, rng=None):
    """Return a picture, numbers (H, W, 3), and its mask; rng: scaled, flipped and cut out by it."""
    picture, mask = (Image.open(path) for path in pair)
    if rng is not None:
        side = round(SIZE * rng.uniform(0.5, 2.0))
        left, top = (int(rng.integers(min(0, SIZE - side), max(0, SIZE - side) + 1)) for _ in range(2))
        square, labels = Image.new("RGB", (SIZE, SIZE)), Image.new("L", (SIZE, SIZE), LEFT_OUT)
        square.paste(picture.resize((side, side), Image.Resampling.BILINEAR), (left, top))
        labels.paste(mask.resize((side, side), Image.Resampling.NEAREST), (left, top))
        picture, mask = square, labels
    x, y = np.asarray(picture, np.float32) / 255, np.asarray(mask)
    return ((x - MEAN) / STD, y) if rng is None or rng.uniform() < 0.5 else ((x[:, ::-1] - MEAN) / STD, y[:, ::-1])


def batches(pairs, rng=None):
    """Yield batches of pictures and masks; rng: of training, in a new order and changed."""
    order = np.arange(len(pairs)) if rng is None else rng.permutation(len(pairs))
    for at in range(0, len(pairs), BATCH):
        images, masks = zip(*(decoded(pairs[i], rng) for i in order[at : at + BATCH]), strict=True)
        yield np.stack(images), np.stack(masks)


def loop_seconds(args, folder, train, look):
    """Return the seconds of a loop: `train` takes batches and does a step with each, `look` validates them."""
    pairs, rng = paths(folder, "train"), np.random.default_rng(0)
    train(islice(batches(pairs, rng), WARM))
    clock = started()
    train(batches(pairs[: BATCH * args.steps] if args.what == "whole" else pairs, rng))
    if args.what == "whole":
        return elapsed(clock, PICTURES / (BATCH * args.steps))
    look(batches(paths(folder, "val")))
    return elapsed(clock, EPOCHS * PICTURES / len(pairs))  # all epochs cost the same


def reference_torch(args, folder):
    """Return the seconds of torchvision's reference loop."""
    import torch
    from torch.nn.functional import cross_entropy
    from torchvision.models import segmentation

    model = segmentation.deeplabv3_resnet50(weights_backbone=None, num_classes=CLASSES, aux_loss=True)
    model.backbone.requires_grad_(args.what == "whole")
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=EPOCHS * PICTURES // BATCH, power=0.9)

    def as_tensors(images, masks):
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks).long()

    def train(given):
        model.train()
        for images, masks in given:
            x, y = as_tensors(images, masks)
            losses = {name: cross_entropy(out, y, ignore_index=LEFT_OUT) for name, out in model(x).items()}
            loss = losses["out"] + 0.5 * losses["aux"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss.item()

    def look(given):
        model.eval()
        with torch.inference_mode():
            for images, masks in given:
                x, y = as_tensors(images, masks)
                kept = y < CLASSES
                torch.bincount(CLASSES * y[kept] + model(x)["out"].argmax(1)[kept], minlength=CLASSES**2)

    return loop_seconds(args, folder, train, look)


def textbook_keras(args, folder):
    """Return the seconds of the same loop in Keras, with the port of the network."""
    import keras
    import tensorflow as tf

    import ft_tf

    model = ft_tf.build_model(MODEL, num_classes=CLASSES)
    for layer in model.layers:
        layer.trainable = args.what == "whole" or not layer.name.startswith("backbone")
    schedule = keras.optimizers.schedules.PolynomialDecay(LR, EPOCHS * PICTURES // BATCH, 0.0, power=0.9)
    optimizer = keras.optimizers.SGD(schedule, MOMENTUM, weight_decay=DECAY)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=LEFT_OUT)

    @tf.function
    def step(images, masks):
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = cross_entropy(masks, outputs["out"]) + 0.5 * cross_entropy(masks, outputs["aux"])
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    @tf.function
    def confusion(images, masks):
        kept, guess = masks < CLASSES, tf.argmax(model(images, training=False)["out"], -1)
        return tf.math.confusion_matrix(masks[kept], guess[kept], CLASSES)

    def train(given):
        for images, masks in given:
            float(step(tf.constant(images), tf.constant(masks, tf.int32)))

    def look(given):
        for images, masks in given:
            confusion(tf.constant(images), tf.constant(masks, tf.int32)).numpy()

    return loop_seconds(args, folder, train, look)


def facade(args, folder, backend):
    """Return the seconds of this project."""
    import ft
    from ft.backend import contract as backends
    from ft.recipe import Recipe
    from ft.training.build import build_learner
    from ft.training.job import prepare_job

    rates = {"optimizer": "sgd", "lr": LR, "momentum": MOMENTUM, "weight_decay": DECAY, "schedule": "poly"}
    common = {"model": MODEL, "weights": "none", "data": str(folder), "batch_size": BATCH, "image_size": SIZE}
    wing = backends.load(backend)
    if args.what == "head":
        recipe = Recipe(**common, **rates, freeze="base", epochs=EPOCHS, cache_dir=str(folder))
        clock = started()
        with tempfile.TemporaryDirectory() as out:
            ft.finetune(recipe, backend=backend, out=Path(out) / "run", quiet=True)
        return elapsed(clock)
    recipe = Recipe(**common, **rates, freeze="none", epochs=EPOCHS, augment="crop-flip")
    device = wing.prepare(device="cpu", deterministic=recipe.deterministic)
    job = prepare_job(recipe, with_weights=False, quiet=True)
    learner, _ = build_learner(job, wing, device=device)

    def train(epoch, count):
        batches = islice(job.batches("train", as_pixels=True).epoch(epoch), count)
        probes = [learner.step(batch, step=step, lr=np.float64(LR)) for step, batch in enumerate(batches)]
        learner.fetch(probes)  # waits, as the training loop does

    train(0, WARM)
    clock = started()
    train(1, args.steps)
    return elapsed(clock, PICTURES / (BATCH * args.steps))


RUNS = {
    "reference-torch": reference_torch,
    "textbook-keras": textbook_keras,
    "ft-torch": lambda args, folder: facade(args, folder, "torch"),
    "ft-tf": lambda args, folder: facade(args, folder, "tf"),
}


def with_pictures(name, run):
    """Return a program that is given a folder of pictures."""

    def program(args):
        own = PICTURES if name.startswith("ft-") else args.pictures
        count = BATCH * (args.steps + WARM) if args.what == "whole" else own
        with tempfile.TemporaryDirectory() as folder:
            return run(args, lay_out(Path(folder) / "pictures", count))

    return program


if __name__ == "__main__":
    programs = {name: with_pictures(name, run) for name, run in RUNS.items()}
    compare("ft_peers.segmentation", FLAGS.parse_args(), programs, PROGRAMS)
