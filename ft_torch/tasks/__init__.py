"""What is native of a task, a file each: its loss."""

from ft_torch.tasks import classification, segmentation

TASKS = {"classification": classification, "segmentation": segmentation}  # by the name in an objective
