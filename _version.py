"""The version of i2lc, the one place that states it."""

__version__ = "0.1.0"
