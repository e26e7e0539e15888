"""What a run leaves on disk: folder, log, checkpoints, predictions."""
