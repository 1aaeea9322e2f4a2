"""The lock of an output folder: one run at a time, a dead run's lock taken over.

The lock is a file that names its run and whose time of modification is its heartbeat. It is
made under another name and linked, which is atomic on shared disks too. Whoever takes over a
stale lock first makes a mark that bears the name of the dead run, which only one can, looks
again, and replaces the lock in one step, so that the folder is never without one.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ...steps.files import disk, ownership
from ...steps.files.ownership import LOCK, Claim, Holder

BEAT = 10.0
"""Seconds between heartbeats."""
STALE = 120.0
"""Age in seconds from which the heartbeat of another host is taken for stopped."""
SKEW = 300.0
"""Seconds by which the clock of a host may differ from that of the disk."""
TRIES = 5
"""Times that a lock that changes under our eyes is looked at again."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class State:
    """What the lock of an output folder says."""

    holder: Holder | None
    """None when the lock cannot be read."""
    age: float
    """Seconds since the last heartbeat, by the clock of the folder's disk."""
    stale: str = ""
    """Why it is stale, empty while its run lives."""
    stamp: int = 0
    """Time of the last heartbeat, in nanoseconds of that clock."""

    def __str__(self) -> str:
        who = str(self.holder) if self.holder else "a run that cannot be read"
        if self.stale:
            return f"the lock of {who} is stale: {self.stale}"
        return f"{who} is running; its last heartbeat is {self.age:.0f} s old"


def describe(root: Path, writes: bool = True) -> State | None:
    """Tell who holds an output folder; None when nobody does.

    Parameters
    ----------
    root : Path
    writes : bool
        Read the clock of the disk, for which a file is made for a moment; else this host's.
    """
    if not root.is_dir():
        return None
    try:
        with (root / LOCK).open("rb") as file:  # opening makes a shared disk look again
            stamp = os.fstat(file.fileno()).st_mtime_ns
            holder = ownership.parse(file.read().decode("utf-8", errors="replace"))
    except OSError:
        return None
    age = ((disk_time(root) if writes else time.time_ns()) - stamp) / 1e9
    return State(holder, age, _why_stale(holder, age, 0.0 if writes else SKEW), stamp)


def disk_time(root: Path) -> int:
    """Give the time of the disk of a folder, in nanoseconds: hosts' clocks differ."""
    path = root / f"{LOCK}.{uuid.uuid4().hex}"
    try:
        path.touch(exist_ok=False)
        return path.stat().st_mtime_ns
    except OSError:  # not ours to write: the clock of this host has to do
        return time.time_ns()
    finally:
        with suppress(OSError):
            path.unlink()


def _why_stale(holder: Holder | None, age: float, doubt: float = 0.0) -> str:
    """Say why a lock is stale; empty while its run may live.

    Parameters
    ----------
    holder : Holder or None
    age : float
        Seconds since its last heartbeat.
    doubt : float
        Seconds by which the age may be wrong.
    """
    if holder and holder.boot and _place(holder) == _place(this_process("")):
        start = process_start(holder.pid)
        if start is None:
            return "its process is gone"
        same = abs(start - holder.process_start) <= 1
        return "" if same else "another process has its number"
    if age <= STALE + doubt:
        return ""
    clocks = " by the clock of this host, which may differ from that of the disk" if doubt else ""
    return f"its last heartbeat is {age:.0f} s old{clocks}"


def _place(holder: Holder) -> tuple[str, str, str]:
    """Give where the process number of a holder counts."""
    return holder.host, holder.boot, holder.namespace


def process_start(pid: int) -> float | None:
    """Give when a process started, in seconds since the machine did; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    facts = text.rpartition(")")[2].split()
    gone = not facts or facts[0] in {"Z", "X"}
    return None if gone else int(facts[19]) / os.sysconf("SC_CLK_TCK")


def _namespace() -> str:
    """Give the name of the set of process numbers; the first one has the same on each machine."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot() -> str:
    """Give the identifier that this machine drew when it started; empty when it has none."""
    try:
        return BOOT.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def this_process(run_id: str) -> Holder:
    """Give this process as the holder of a lock."""
    return Holder(
        run_id=run_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        process_start=process_start(os.getpid()) or 0.0,
        start=datetime.now().astimezone().isoformat(timespec="seconds"),
        namespace=_namespace(),
        boot=_boot(),
    )


@contextmanager
def held(
    root: Path, run_id: str, lost: Callable[[str], None] | None = None
) -> Iterator[tuple[str, ...]]:
    """Hold an output folder while the block runs; give notes for the user.

    Parameters
    ----------
    root : Path
        Output folder, which is there.
    run_id : str
    lost : callable, optional
        Called once, from another thread, with a sentence, when the lock is lost.

    Raises
    ------
    InputError
        When another run holds the folder, or it cannot be written.
    """
    holder = this_process(run_id)
    try:
        notes = _take(root, holder)
    except OSError as error:
        _leave(root, run_id)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise InputError(disk.sentence(error, root)) from error
        raise InputError(f"{root} cannot be written: {error.strerror or error}") from error
    ended = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(Claim(root, run_id), ended, lost), name="i2lc-lock", daemon=True
    )
    heart.start()
    try:
        yield notes
    finally:
        ended.set()
        _leave(root, run_id)


def _leave(root: Path, run_id: str) -> None:
    """Remove the lock if it is still ours."""
    with suppress(OSError):
        holder = ownership.read(root)
        if holder and holder.run_id == run_id:
            (root / LOCK).unlink()


def _beat(claim: Claim, ended: threading.Event, lost: Callable[[str], None] | None) -> None:
    """Show that the run lives, until it ends or has lost the folder."""
    while not ended.wait(BEAT):
        sentence = ownership.claim_lost(claim)
        if ended.is_set():
            return
        if sentence:
            if lost is not None:
                lost(sentence)
            return
        with suppress(OSError):  # the next look tells what it was
            os.utime(claim.root / LOCK)


def _take(root: Path, holder: Holder) -> tuple[str, ...]:
    """Take the lock or refuse; give the notes of a take-over."""
    for _ in range(TRIES):
        if _link(root, LOCK, holder):
            return ()
        state = describe(root)
        if state is None:  # given up meanwhile
            continue
        if not state.stale:
            raise _in_use(root, state)
        if _take_over(root, holder, state):
            return (f"{state}; taken over",)
        time.sleep(0.1)
    raise InputError(
        f"output_path {root} is being taken by another run; try again, or take another output_path"
    )


def _in_use(root: Path, state: State) -> InputError:
    who = state.holder.process if state.holder else "its lock cannot be read"
    return InputError(
        f"output_path {root} is in use by another run: {who}; wait for it, end it, or take "
        "another output_path"
    )


def _take_over(root: Path, holder: Holder, state: State) -> bool:
    """Replace a stale lock; False when another run was faster."""
    dead = state.holder.run_id if state.holder else f"unreadable-{state.stamp}"
    mark = f"{LOCK}.over-{dead}"
    if not _link(root, mark, holder):
        _drop_left_mark(root / mark)
        return False
    try:
        now = describe(root)
        if now is None or not now.stale or now.holder != state.holder:
            return False
        with _written(root, holder) as path:
            path.replace(root / LOCK)
        return ownership.read(root) == holder
    finally:
        (root / mark).unlink(missing_ok=True)


def _drop_left_mark(mark: Path) -> None:
    """Remove the mark of one who died while taking over."""
    with suppress(OSError):
        other = ownership.parse(mark.read_text(encoding="utf-8"))
        age = (disk_time(mark.parent) - mark.stat().st_mtime_ns) / 1e9
        if _why_stale(other, age):
            mark.unlink()


@contextmanager
def _written(root: Path, holder: Holder) -> Iterator[Path]:
    """Give a file of its own name with the content of a lock."""
    path = root / f"{LOCK}.{uuid.uuid4().hex}"
    with ExitStack() as stack:
        stack.callback(path.unlink, missing_ok=True)
        with path.open("x", encoding="utf-8") as file:
            json.dump(asdict(holder), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        yield path


def _link(root: Path, name: str, holder: Holder) -> bool:
    """Make a file with the content of a lock, all at once; False when one is there."""
    with _written(root, holder) as path:
        try:
            os.link(path, root / name)
        except FileExistsError:
            return path.stat().st_nlink == 2  # a server that answers twice
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return _created(root / name, path.read_bytes())
    return True


def _created(path: Path, content: bytes) -> bool:
    """Make a file where the disk knows no links; False when one is there."""
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True
