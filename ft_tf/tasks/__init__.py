"""What is native of a task, a file each: its loss."""

from ft_tf.tasks import classification, detection, instances, keypoints, regression, segmentation, tokens

TASKS = {  # by the name in an objective
    "classification": classification,
    "detection": detection,
    "instances": instances,
    "keypoints": keypoints,
    "regression": regression,
    "segmentation": segmentation,
    "tokens": tokens,
}
