"""Vigie: managed services as code, for managed service providers and the fleets they look after."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("vigie")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+unknown"
