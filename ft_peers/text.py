"""What kept features and lengths of their own bring on texts: `python -m ft_peers.text head`, or `whole`.

MiniLM on the 1,000 texts of the built-in set, batches of 16, at most 128 tokens, AdamW. head: the base frozen, five
epochs, each with its look at the 300 texts that validate, all that the process does after its imports. whole: training
steps alone, after one of every shape. The textbook loops pad every text to 128; their steps all cost the same, so that
some are measured, and scaled. Programs run one after the other, round after round; reported are medians of the seconds
by the wall and by the processor. On a machine that others use, too, the second is the one to compare: on one core, by
`taskset -c 0` and OMP_NUM_THREADS=1, so that no thread spins.
"""

import tempfile
from importlib import import_module
from itertools import islice
from pathlib import Path

from ft_peers.rounds import compare, elapsed, flags_of, started

BATCH, LENGTH, LR, DECAY, EPOCHS = 16, 128, 5e-5, 0.01, 5
WARM = 2  # steps that choose kernels, or trace
HEAD = ("textbook-torch", "ft-torch", "ft-tf")
WHOLE = ("textbook-torch", "trainer", "ft-torch", "ft-torch-bfloat16", "textbook-keras", "ft-tf")
FLAGS = flags_of(__doc__, steps=(63, "measured where lengths differ, a quarter where not"))


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


PROGRAMS = {
    "textbook-torch": textbook_torch,
    "textbook-keras": textbook_keras,
    "trainer": trainer,
    "ft-torch": lambda what, steps: facade(what, steps, "torch"),
    "ft-tf": lambda what, steps: facade(what, steps, "tf"),
    "ft-torch-bfloat16": lambda what, steps: facade(what, steps, "torch", precision="bfloat16"),
}


def main(args):
    """Measure all programs in turn and print their medians."""
    programs = {name: lambda args, run=run: run(args.what, args.steps) for name, run in PROGRAMS.items()}
    compare("ft_peers.text", args, programs, HEAD if args.what == "head" else WHOLE)


if __name__ == "__main__":
    main(FLAGS.parse_args())
