"""From a recipe to trained weights: job, loop, schedule, evaluation."""
