"""The errors of this part: something cannot be used, or a process that was needed is gone."""


class ModelError(Exception):
    """A training or a checkpoint that cannot be used, reported in one line.

    The message names what is wrong, where (layer, epoch or file), and the remedy.
    """


class ProcessLostError(Exception):
    """Another process of the same training is gone; the training can be tried again."""
