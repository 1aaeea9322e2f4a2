"""The jobs of dask-jobqueue, without what its import does to Ctrl-C.

The import sets a handler of SIGINT that ends the process with status 0. The one before is put back.
"""

from __future__ import annotations

import signal

_BEFORE = signal.getsignal(signal.SIGINT)

from dask_jobqueue.pbs import PBSJob  # noqa: E402
from dask_jobqueue.slurm import SLURMJob  # noqa: E402

if signal.getsignal(signal.SIGINT) is not _BEFORE:
    signal.signal(signal.SIGINT, _BEFORE)

__all__ = ["PBSJob", "SLURMJob"]
