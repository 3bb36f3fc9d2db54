"""The one error of this part."""


class RunError(Exception):
    """Something asked for that cannot be run, told in one line with the remedy."""


class UnknownModelError(RunError):
    """No imported model, and no finished run of the arm that was asked for, has the name."""
