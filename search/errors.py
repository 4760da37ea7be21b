"""The error that the command line turns into one line and a non-zero exit code."""


class SearchError(Exception):
    """Something a user can put right: a folder, a file, an option."""
