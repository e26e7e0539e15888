"""The names of a run's files, and of the folders in it: spelt here and nowhere else. The lock is that of any folder."""

RECIPE, LOG = "recipe.yaml", "log.jsonl"
MODEL, RESULT = "model.safetensors", "model.json"  # written last: a run that has it is finished
TOKENIZER, CONFIG = "tokenizer.json", "config.json"  # of a run on text
PREDICTIONS = "predictions.csv"
WORST_MASKS = "worst-masks.npz"  # of a segmentation run, for its page
BOXES, DETECTIONS = "boxes.json", "detections.json"  # of a detection run: the truth and what it says, as COCO has them
CURVES, CONFUSION, REPORT = "curves.png", "confusion.png", "report.html"
BAD_STEP = "bad_step.json"  # the step, and the images, that a training broke down on
EXPORTS = "export"

CHECKPOINTS = "checkpoints"
STEP, FROZEN = "step-", "frozen-"  # how those in it begin: a folder a checkpoint, a file of what they share
OPTIMIZER, STATE = "optimizer.safetensors", "state.json"  # beside MODEL in each
