"""What kept features and lengths of their own bring on texts: `python -m ft_peers.text head`, or `whole`.

MiniLM on the 1,000 texts of the built-in set, batches of 16, at most 128 tokens, AdamW. head: the base frozen, five
epochs, each with its look at the 300 texts that validate, all that the process does after its imports. whole: training
steps alone, after one of every shape. The textbook loops pad every text to 128; their steps all cost the same, so that
some are measured, and scaled. Programs run one after the other, round after round; reported are medians of the seconds
by the wall and by the processor. On a machine that others use, too, the second is the one to compare: on one core, by
`taskset -c 0` and OMP_NUM_THREADS=1, so that no thread spins.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from itertools import islice
from pathlib import Path

BATCH, LENGTH, LR, DECAY, EPOCHS = 16, 128, 5e-5, 0.01, 5
WARM = 2  # steps that choose kernels, or trace
HEAD = ("textbook-torch", "ft-torch", "ft-tf")
WHOLE = ("textbook-torch", "trainer", "ft-torch", "ft-torch-bfloat16", "textbook-keras", "ft-tf")
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument("what", choices=["head", "whole"])
FLAGS.add_argument("--rounds", type=int, default=3)
FLAGS.add_argument("--steps", type=int, default=63, help="measured where lengths differ, [63]; a quarter where not")
FLAGS.add_argument("--only", nargs="+", help="of the programs")
FLAGS.add_argument("--program", help=argparse.SUPPRESS)


def recipe_of(what, **fields):
    """Return the recipe that all programs follow."""
    from ft.recipe import Recipe

    usual = {"model": "minilm_l6", "data": "reuters", "optimizer": "adamw", "weight_decay": DECAY, "lr": LR}
    freeze = "base" if what == "head" else "none"
    return Recipe(**{**usual, "batch_size": BATCH, "max_length": LENGTH, "epochs": EPOCHS, "freeze": freeze, **fields})


def texts():
    """Return the folder of the network, and texts and class numbers of each split."""
    from ft.training.job import prepare_job
    from ft.weights.text_files import weights_file
    from ft.zoo import find_text_card

    data = prepare_job(recipe_of("whole"), with_weights=False, quiet=True).dataset
    splits = {name: getattr(data, name) for name in ("train", "val")}
    pairs = {name: ([s.source.text for s in own], [s.label for s in own]) for name, own in splits.items()}
    return weights_file(find_text_card("minilm_l6")).parent, pairs, len(data.classes)


def textbook_torch(what, steps):
    """Return the seconds of the loop that tutorials teach, every text padded to the longest that there may be."""
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, splits, classes = texts()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    options = {"padding": "max_length", "truncation": True, "max_length": LENGTH, "return_tensors": "pt"}
    clock = started()
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=classes)
    for parameter in model.bert.parameters() if what == "head" else ():
        parameter.requires_grad = False
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LR, weight_decay=DECAY)

    def batches(split):
        texts, labels = splits[split]
        for at in range(0, len(texts), BATCH):
            yield tokenizer(texts[at : at + BATCH], **options), torch.tensor(labels[at : at + BATCH])

    def train(given):
        model.train()
        for inputs, labels in given:
            loss = cross_entropy(model(**inputs).logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    if what == "head":
        train(batches("train"))
        model.eval()
        with torch.no_grad():
            for inputs, _ in batches("val"):
                model(**inputs).logits.argmax(1)
        return elapsed(clock, EPOCHS)
    given = list(islice(batches("train"), WARM + steps // 4))
    train(given[:WARM])
    return per_epoch(lambda: train(given[WARM:]), BATCH * (len(given) - WARM))


def textbook_keras(what, steps):
    """Return the seconds of the same loop in Keras, with the port of the network."""
    import keras
    import tensorflow as tf
    from tokenizers import Tokenizer

    import ft_tf
    from ft.weights.text_files import text_weights
    from ft.zoo import find_text_card

    folder, splits, classes = texts()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=0, length=LENGTH)
    tokenizer.enable_truncation(LENGTH)
    card = find_text_card("minilm_l6").with_head(pool="reference")
    model = ft_tf.build_text(card, num_classes=classes)
    ft_tf.set_weights(model, {**ft_tf.get_weights(model), **text_weights(card)})
    optimizer = keras.optimizers.AdamW(LR, weight_decay=DECAY)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, model(inputs, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def train(first, count):
        texts, labels = splits["train"]
        for at in range(first * BATCH, (first + count) * BATCH, BATCH):
            tokens = tokenizer.encode_batch(texts[at : at + BATCH])
            parts = {"ids": "ids", "mask": "attention_mask", "types": "type_ids"}
            inputs = {name: tf.constant([getattr(t, part) for t in tokens], tf.int64) for name, part in parts.items()}
            float(step(inputs, tf.constant(labels[at : at + BATCH])))

    train(0, WARM)
    return per_epoch(lambda: train(WARM, steps // 4), BATCH * (steps // 4))


def trainer(what, steps):
    """Return the seconds of a transformers Trainer that pads each batch to its longest text."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    folder, splits, classes = texts()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(splits["train"][0], truncation=True, max_length=LENGTH)["input_ids"]
    rows = [{"input_ids": ids, "labels": label} for ids, label in zip(tokens, splits["train"][1], strict=True)]
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=classes)
    torch.manual_seed(0)

    def train(count):
        with tempfile.TemporaryDirectory() as out:
            fields = {"per_device_train_batch_size": BATCH, "learning_rate": LR, "weight_decay": DECAY}
            quiet = {"report_to": [], "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
            arguments = TrainingArguments(out, max_steps=count, use_cpu=True, max_grad_norm=0.0, **fields, **quiet)
            collate = DataCollatorWithPadding(tokenizer)
            whole = Trainer(model, arguments, train_dataset=rows, data_collator=collate)
            clock = started()
            whole.train()
            return elapsed(clock, 1000 / (BATCH * count))

    train(WARM)
    return train(steps)


def facade(what, steps, backend, **fields):
    """Return the seconds of this project."""
    import ft
    from ft.backend import contract as backends
    from ft.training.build import build_learner
    from ft.training.job import prepare_job

    wing, recipe = backends.load(backend), recipe_of(what, **fields)
    import_module(f"ft_{backend}.models.text.bert")  # before the clock, as the loops' libraries are
    if what == "head":
        clock = started()
        with tempfile.TemporaryDirectory() as out:
            ft.finetune(recipe.replace(cache="memory"), backend=backend, out=Path(out) / "run", quiet=True)
        return elapsed(clock)
    device = wing.prepare(device="cpu", deterministic=recipe.deterministic)
    job = prepare_job(recipe, quiet=True)
    learner, _ = build_learner(job, wing, device=device)
    batches = list(islice(job.batches("train").epoch(0), steps))
    shapes = {batch.inputs.arrays["ids"].shape: batch for batch in batches}

    def train(given):
        for step, batch in enumerate(given):
            loss = learner.step(batch, step=step, lr=recipe.lr)
        return loss

    train(shapes.values())
    learner.get_weights()  # waits
    return per_epoch(lambda: (train(batches), learner.get_weights()), sum(len(batch.indices) for batch in batches))


def per_epoch(run, count):
    """Return the seconds that 1,000 texts take, of a run of `count`."""
    clock = started()
    run()
    return elapsed(clock, 1000 / count)


def started():
    """Return what both clocks show."""
    return time.perf_counter(), time.process_time()


def elapsed(clock, factor=1.0):
    """Return the seconds since then by both clocks, scaled."""
    return [factor * (now - then) for now, then in zip(started(), clock, strict=True)]


PROGRAMS = {
    "textbook-torch": textbook_torch,
    "textbook-keras": textbook_keras,
    "trainer": trainer,
    "ft-torch": lambda what, steps: facade(what, steps, "torch"),
    "ft-tf": lambda what, steps: facade(what, steps, "tf"),
    "ft-torch-bfloat16": lambda what, steps: facade(what, steps, "torch", precision="bfloat16"),
}


def measured(args, program):
    """Return the seconds of a program in a process of its own."""
    command = [sys.executable, "-m", "ft_peers.text", args.what, "--steps", str(args.steps), "--program", program]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(args):
    """Measure all programs in turn and print their medians."""
    if args.program:
        print(json.dumps(PROGRAMS[args.program](args.what, args.steps)))
        return
    names = [name for name in (HEAD if args.what == "head" else WHOLE) if not args.only or name in args.only]
    timings = {name: [] for name in names}
    for turn in range(args.rounds):
        for name in names if turn % 2 == 0 else names[::-1]:
            timings[name].append(measured(args, name))
            print(told(name, timings[name][-1]), flush=True)
    print(f"medians of {args.rounds}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'unset')}")
    for name, seconds in timings.items():
        print(told(name, [statistics.median(each) for each in zip(*seconds, strict=True)]))


def told(name, seconds):
    """Return one line of the table."""
    return f"{name:18} {seconds[0]:8.2f} s  {seconds[1]:8.2f} s of the processor"


if __name__ == "__main__":
    main(FLAGS.parse_args())
