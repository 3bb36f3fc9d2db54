"""What experiments share: sizes, trainings, pre-training, specs."""
