"""What a process says of its own memory."""

import subprocess
import sys

import numpy as np

from i2lc.chain.tasks import usage

MB = 1_000_000
ASK = "from i2lc.chain.tasks import usage; print(usage.peak())"
RISE = """
import numpy as np
from i2lc.chain.tasks import usage
before = usage.peak()
np.ones(25_000_000)
print(usage.peak() - before)
"""


def asked(code: str) -> int:
    command = [sys.executable, "-c", code]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_peak_is_not_that_of_the_process_that_started_it() -> None:
    large = np.ones(50_000_000)  # 400 MB
    assert usage.peak() > large.nbytes
    assert 10 * MB < asked(ASK) < 300 * MB


def test_the_peak_stays_when_the_memory_is_given_back() -> None:
    assert 190 * MB < asked(RISE) < 250 * MB
