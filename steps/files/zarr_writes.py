"""A Zarr store on disk whose writes have all ended when it is left.

zarr writes chunks side by side in threads. When one fails the others go on, after the error was
raised: they would fill, and even make again, a folder that is being removed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore


class _Counted(LocalStore):
    """A folder that knows how many of its writes are under way, and can refuse more."""

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self._ended = threading.Condition()
        self._under_way = 0
        self._shut = False

    async def set(self, key: str, value: Buffer) -> None:
        """Write a key."""
        with self._counting(key):
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write a key that is not there."""
        with self._counting(key):
            await super().set_if_not_exists(key, value)

    def shut(self) -> None:
        """Refuse further writes and wait for the end of those under way."""
        with self._ended:
            self._shut = True
            self._ended.wait_for(lambda: not self._under_way)

    @contextmanager
    def _counting(self, key: str) -> Iterator[None]:
        with self._ended:
            if self._shut:
                raise OSError(f"{self.root} takes no more writes: {key}")
            self._under_way += 1
        try:
            yield
        finally:
            with self._ended:
                self._under_way -= 1
                self._ended.notify_all()


@contextmanager
def settled(folder: Path) -> Iterator[LocalStore]:
    """Give the store of a folder; however the block ends, no write goes on after it."""
    store = _Counted(folder)
    try:
        yield store
    finally:
        store.shut()
