"""What is native of a task, a file each: its loss."""

from ft_torch.tasks import classification

TASKS = {"classification": classification}  # by the name in an objective
