"""The llmsvc server."""

from importlib.metadata import version

__version__ = version("llmsvc")
