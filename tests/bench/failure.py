"""The one error that a row survives."""


class NotMeasuredError(Exception):
    """The process under measurement, or the load on it, failed; the text says how."""
