"""What a probe found, judged: each finding in a sentence, each failure with what to change."""

from __future__ import annotations

from dataclasses import dataclass

from ...scheduler.needs import GIB, Need
from ...scheduler.probe import Answer

ENVIRONMENT = "have job_script_prologue of the resource file activate the environment of this side"
GRANTED = 0.98
"""Share of the memory asked for that must be granted; queues round."""
LEAST_SCRATCH = GIB
"""Bytes; a worker writes little there."""


@dataclass(frozen=True)
class Check:
    """A finding."""

    good: bool
    text: str
    cure: str = ""
    """What to change, when it is not good."""

    def __str__(self) -> str:
        mark = "ok  " if self.good else "FAIL"
        return f"{mark} {self.text}{f': {self.cure}' if self.cure and not self.good else ''}"


def judge(need: Need, here: Answer, there: Answer, token: str, returned: str) -> list[Check]:
    """Judge a worker's surroundings.

    Parameters
    ----------
    need : Need
        What its pool asks for.
    here, there : Answer
        What the probe found on this side, and on the worker's.
    token : str
        Text that this side wrote into the output folder.
    returned : str
        Text of the worker's file there, as this side reads it; empty when it does not see it.
    """
    checks = [*_versions(here, there), _imports(there), _disk(there, token, returned)]
    checks += [_scratch(there), _cpus(need, there), _memory(need, there)]
    checks += [_interface(need, there)] if need.site.interface else []
    checks += [_gpus(need, there)] if need.gpus else []
    return checks


def _versions(here: Answer, there: Answer) -> list[Check]:
    python = _same("python", here.python, there.python)
    names = [name for name in here.versions if here.versions[name] != there.versions.get(name)]
    if not names:
        return [
            python,
            Check(True, f"i2lc {there.versions.get('i2lc', '')} and all it needs, as here"),
        ]
    return [python, *(_same(n, here.versions[n], there.versions.get(n, "")) for n in names)]


def _same(name: str, here: str, there: str) -> Check:
    if here == there:
        return Check(True, f"{name} {there}, as here")
    return Check(False, f"{name} {there or 'missing'} there, {here} here", ENVIRONMENT)


def _imports(there: Answer) -> Check:
    if not there.broken:
        return Check(True, "all modules are imported")
    told = "; ".join(f"{name}: {cause}" for name, cause in there.broken.items())
    return Check(False, f"modules that cannot be imported: {told}", ENVIRONMENT)


def _disk(there: Answer, token: str, returned: str) -> Check:
    cure = "choose an output_path on a disk that all nodes share and may write"
    if there.disk_problem:
        return Check(False, f"output folder on {there.host}: {there.disk_problem}", cure)
    if there.read != token:
        return Check(False, f"{there.host} reads another output folder than this machine", cure)
    if returned != there.host:
        return Check(False, f"what {there.host} writes into the output folder is not here", cure)
    return Check(True, "output folder: each side reads what the other wrote")


def _scratch(there: Answer) -> Check:
    text = f"scratch {there.scratch}"
    cure = "set scratch_directory in the resource file"
    if there.scratch_problem:
        return Check(False, f"{text} cannot be written: {there.scratch_problem}", cure)
    free = f"{text}, {there.scratch_free / GIB:.1f} GB free"
    return Check(there.scratch_free >= LEAST_SCRATCH, free, cure)


def _cpus(need: Need, there: Answer) -> Check:
    cure = "ask for fewer with nb_cpu, or for the rest with job_extra_directives"
    text = f"{there.cpus} cpus granted, {need.cpus} asked for"
    return Check(there.cpus >= need.cpus, text, cure)


def _memory(need: Need, there: Answer) -> Check:
    text = f"{there.ram / GIB:.1f} GB of memory granted, {need.ram / GIB:.1f} GB asked for"
    return Check(there.ram >= GRANTED * need.ram, text, "ask for less ram, or name another queue")


def _interface(need: Need, there: Answer) -> Check:
    name = need.site.interface
    known = ", ".join(there.interfaces)
    if name in there.interfaces:
        return Check(True, f"interface {name}")
    return Check(False, f"no interface {name} there, but {known}", "correct interface")


def _gpus(need: Need, there: Answer) -> Check:
    found = f": {', '.join(there.gpus)}" if there.gpus else ""
    text = f"torch sees {len(there.gpus)} GPUs{found}, {need.gpus} asked for"
    cure = "name a queue with GPUs; check the driver there and that torch is built for CUDA"
    return Check(len(there.gpus) >= need.gpus, text, cure)
