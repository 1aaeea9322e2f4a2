"""Preloaded by a worker that is to come late."""

from __future__ import annotations

import time
from typing import Any


def dask_setup(worker: Any) -> None:
    time.sleep(2.0)
