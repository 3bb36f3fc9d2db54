"""The one error of this part: a network, its examples or its file cannot be used."""


class ModelError(Exception):
    """A training or a checkpoint that cannot go on, told in one line.

    The message names what is wrong, where (layer, epoch or file), and the remedy.
    """
