"""The one error of this part."""


class RunError(Exception):
    """A request that cannot be run, reported in one line with the remedy."""


class UnknownModelError(RunError):
    """No imported model, and no finished run of the arm that was asked for, has the name."""
