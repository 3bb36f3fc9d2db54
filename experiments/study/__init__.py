"""What every experiment is told and made of: sizes, trainings, pre-training, specs."""
