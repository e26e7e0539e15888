"""What is native of a task, a file each: its loss."""

from ft_tf.tasks import classification, detection, regression, segmentation, tokens

TASKS = {  # by the name in an objective
    "classification": classification,
    "detection": detection,
    "regression": regression,
    "segmentation": segmentation,
    "tokens": tokens,
}
