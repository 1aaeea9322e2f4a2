"""How many files a process may hold open."""

from __future__ import annotations

import resource

MOST = 8192
"""Files that a process may ask the system to hold open."""


def room() -> int:
    """Ask for as many open files as the system allows; give half of them, ours to hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return (MOST if soft == resource.RLIM_INFINITY else soft) // 2
