"""What experiments share: sizes, trainings, pre-training, specs.

What one experiment alone runs is in its own folder.
"""
