"""i2lc: from a year of cloudy Sentinel-2 tiles to a land-cover map."""

from ._version import __version__

__all__ = ["__version__"]
