"""What is native of a task, a file each: its loss."""

from ft_tf.tasks import classification, detection, instances, regression, segmentation, tokens

TASKS = {  # by the name in an objective
    "classification": classification,
    "detection": detection,
    "instances": instances,
    "regression": regression,
    "segmentation": segmentation,
    "tokens": tokens,
}
