"""The error that the command line prints as one line, with a non-zero exit code."""


class SearchError(Exception):
    """An error that a user can correct: a folder, a file, an option."""
