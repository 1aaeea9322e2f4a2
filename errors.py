"""The exception base of i2lc: every error that is the user's to mend derives from it.

An error names what was got and the way out. The command line prints its text
alone, without a traceback; any other exception is a defect of i2lc.
"""

from __future__ import annotations


class I2lcError(Exception):
    """Base of all errors whose text is written for the user."""


class ConfigError(I2lcError):
    """A configuration that cannot be used: syntax, unknown key, bad value, contradiction."""


class InputError(I2lcError):
    """An input that cannot be used: missing, truncated, of the wrong kind."""


class GraphError(I2lcError):
    """Steps whose declared artifacts do not fit together; found before anything runs."""


class TaskError(I2lcError):
    """A task that cannot give what it declares."""
