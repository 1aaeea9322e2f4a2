"""A Slurm of one node, with its Torque commands, on this machine; for tests and from the shell.

    sudo python tests/hpc/cluster.py install         # the Debian packages, where missing
    python tests/hpc/cluster.py check                # says why none can run here, if so
    sudo python tests/hpc/cluster.py start FOLDER    # says which SLURM_CONF to export
    sudo python tests/hpc/cluster.py stop FOLDER

It needs root, because the daemons do. Partition "cpu" is the default, "train" stands in for a
queue of GPUs. Everything that the daemons write lies in the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge", "slurm-wlm-torque")
COMMANDS = ("sbatch", "squeue", "scancel", "qsub", "qstat", "qdel", "slurmctld", "slurmd", "munged")
NODE_RAM = 20000
"""Megabytes that the node says it has; Slurm does not compare them with the machine."""
CONF = """\
ClusterName=i2lc
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MailProg=/bin/true
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={ram} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=train Nodes={host} MaxTime=INFINITE State=UP
"""
EXTRA_PATH = "/usr/sbin:/sbin"


def lacking() -> list[str]:
    """Name the commands that this machine does not have."""
    path = f"{os.environ.get('PATH', '')}:{EXTRA_PATH}"
    return [command for command in COMMANDS if shutil.which(command, path=path) is None]


def why_not() -> str:
    """Say why the cluster cannot run here; empty when it can."""
    if missing := lacking():
        return f"no {', '.join(missing)}: packages {' '.join(PACKAGES)} are not installed"
    return "" if os.geteuid() == 0 else "the daemons of Slurm need root"


def install() -> str:
    """Install the packages where they are missing; give what stood in the way, or nothing."""
    if not lacking():
        return ""
    if shutil.which("apt-get") is None:
        return "no apt-get on this machine"
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends"]):
        names = list(PACKAGES) if arguments[0] == "install" else []
        try:
            done = subprocess.run(
                [*sudo, "apt-get", *arguments, *names],
                check=False,
                capture_output=True,
                text=True,
                env=environment,
                timeout=900,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"apt-get: {error}"
    return "" if done.returncode == 0 else "apt-get: " + done.stderr.strip().split("\n")[-1]


class Cluster:
    """The daemons; a context manager that also sets SLURM_CONF of this process.

    Parameters
    ----------
    folder : Path
        Empty or missing folder for configuration, state and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._before: dict[str, str] | None = None

    def __enter__(self) -> Cluster:
        self._before = dict(os.environ)
        self.start()
        os.environ["SLURM_CONF"] = str(self.conf)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert self._before is not None
        os.environ.pop("SLURM_CONF", None)
        os.environ.update(self._before)

    def start(self) -> None:
        """Start the daemons; return when the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # clients reach munge's socket through it
        self.conf.write_text(
            CONF.format(
                host=socket.gethostname().split(".")[0],
                port=_free_port(),
                node_port=_free_port(),
                folder=self.folder,
                cpus=os.cpu_count() or 1,
                ram=NODE_RAM,
            )
        )
        self._start_munge()
        self._run("slurmctld", "-f", str(self.conf))
        self._run("slurmd", "-f", str(self.conf))
        self._await_node()

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._run(
            "munged",
            "--force",
            f"--key-file={key}",
            f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )

    def _await_node(self, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._run("sinfo", "-h", "-o", "%T").split()[:1] == ["idle"]:
                return
            time.sleep(0.5)
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("slurm*.log"))
        raise RuntimeError(f"the node did not come up in {seconds:.0f} s:\n{logs}")

    def stop(self) -> None:
        """Cancel all jobs, end the daemons that this cluster started."""
        with contextlib.suppress(RuntimeError):
            self._run("scancel", "-u", "root")
            self.await_empty(20)
        for name in ("slurmd", "slurmctld", "munged"):
            _end(self.folder / f"{name}.pid")

    def jobs(self) -> list[str]:
        """List jobs that wait, run or end: name, state and partition."""
        return self._run("squeue", "-h", "-o", "%j %T %P").splitlines()

    def await_empty(self, seconds: float) -> list[str]:
        """Wait until the queue is empty; give what is left in it."""
        end = time.monotonic() + seconds
        while (left := self.jobs()) and time.monotonic() < end:
            time.sleep(0.5)
        return left

    def _run(self, *command: str) -> str:
        path = f"{os.environ.get('PATH', '')}:{EXTRA_PATH}"
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "SLURM_CONF": str(self.conf), "PATH": path},
            timeout=60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _end(pid_file: Path) -> None:
    """End the daemon of a pid file, wait until it is gone."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


def main(arguments: list[str]) -> int:
    """Install, start or stop from the shell."""
    what = arguments[0] if arguments else ""
    if what in {"install", "check"}:
        problem = install() if what == "install" else why_not()
        sys.stdout.write(problem + "\n" if problem else "")
        return 1 if problem else 0
    if what not in {"start", "stop"} or len(arguments) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    cluster = Cluster(Path(arguments[1]).resolve())
    if problem := why_not():
        sys.stderr.write(f"{problem}\n")
        return 1
    cluster.start() if what == "start" else cluster.stop()
    if what == "start":
        sys.stdout.write(f"export SLURM_CONF={cluster.conf}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
