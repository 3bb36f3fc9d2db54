"""The one error of this part: something is wrong with what the user gave."""


class DataError(Exception):
    """Input that cannot be used, reported in one line.

    The message names the file, the row where there is one, and the remedy; the command line
    prints it and exits with code 2.
    """
