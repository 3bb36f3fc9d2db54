"""The one error of this part."""


class RunError(Exception):
    """Something asked for that cannot be run, told in one line with the remedy."""
