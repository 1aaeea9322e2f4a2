"""Whether a write failed because the disk is full, and how to say so.

Libraries do not always say so: GDAL notes it in its log and may raise another error, or none,
HDF5 raises an error without a cause.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import I2lcError, TaskError
from .ownership import LostRunError

FULL = 4 * 1024**2
"""Free bytes below which a write that failed is taken to have failed for want of space."""
GIB = 1024**3
NO_SPACE = ("no space left on device", "disk is full")
QUOTA = ("disk quota exceeded",)
GDAL_LOG = "rasterio._env"
"""Logger to which rasterio sends what GDAL says."""


class DiskFullError(TaskError):
    """No space, or no quota, is left for the products."""


class NotWholeError(TaskError):
    """What was written cannot be read again."""


def free(folder: Path) -> int | None:
    """Give the free bytes of the disk of a folder, None where the system does not tell."""
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize


class _Listener(logging.Filter):
    """Hears GDAL complain of a full disk; lets every line pass."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.heard = ""
        self.free: int | None = None
        """Free bytes at that moment: GDAL may remove the file afterwards."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage().lower()
        if not self.heard and any(words in text for words in (*NO_SPACE, *QUOTA)):
            self.heard = text
            self.free = free(self._folder)
        return True


@contextmanager
def said_clearly(folder: Path) -> Iterator[None]:
    """Turn whatever a full disk does to the block into one sentence.

    Parameters
    ----------
    folder : Path
        Folder in which the block writes; the sentence names it.

    Raises
    ------
    DiskFullError
        When the block failed for want of space, and also when GDAL said so and went on.
    """
    listener = _Listener(folder)
    logger = logging.getLogger(GDAL_LOG)
    logger.addFilter(listener)
    try:
        yield
    except (DiskFullError, LostRunError, MemoryError):
        raise
    except Exception as error:
        told = isinstance(error, I2lcError) and not isinstance(error, NotWholeError)
        left = free(folder) if listener.free is None else listener.free
        words = f"{listener.heard} {_words(error)}"
        if sentence := _sentence(words, folder, left, guess=not told):
            raise DiskFullError(sentence) from error
        raise
    finally:
        logger.removeFilter(listener)
    if listener.heard:
        raise DiskFullError(_sentence(listener.heard, folder, listener.free) or listener.heard)


def sentence(error: OSError, folder: Path) -> str:
    """Say that a system call failed for want of space or quota."""
    return _sentence(_words(error), folder, free(folder)) or str(error)


def _words(error: BaseException) -> str:
    """Collect what an error and those that led to it say."""
    said: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        number = link.errno if isinstance(link, OSError) else None
        said += [os.strerror(number)] if number in {errno.ENOSPC, errno.EDQUOT} else [str(link)]
        link = link.__cause__ or link.__context__
    return " ".join(said).lower()


def _sentence(words: str, folder: Path, left: int | None, guess: bool = True) -> str | None:
    """Say what is used up; with `guess`, little free space is proof enough."""
    if any(text in words for text in QUOTA):
        return f"the disk quota for {folder} is used up: free some space, then -restart"
    full = guess and left is not None and left < FULL
    if not full and not any(text in words for text in NO_SPACE):
        return None
    amount = "" if left is None else f" ({left / GIB:.1f} GB free)"
    return f"no space left on the disk of {folder}{amount}: free some, then -restart"
