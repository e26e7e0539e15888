"""What is native of a task, a file each: its loss."""

from ft_tf.tasks import classification, segmentation

TASKS = {"classification": classification, "segmentation": segmentation}  # by the name in an objective
