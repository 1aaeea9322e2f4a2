"""Where a network is trained and used: one GPU that was granted, or the CPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

log = logging.getLogger(__name__)

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""Without this variable cuBLAS does not give the same bits twice."""


def choose(gpus_granted: int) -> str:
    """Give the device to use: "cuda" when a GPU was granted and torch finds one, else "cpu".

    Only the first GPU that torch sees is used, however many were granted.
    """
    if gpus_granted < 1:
        return "cpu"
    if not torch.cuda.is_available():
        log.warning("%d GPU granted (nb_gpu), torch finds none: the CPU is used", gpus_granted)
        return "cpu"
    log.info("GPU: %s", torch.cuda.get_device_name(0))
    return "cuda"


def has_room(size: int) -> bool:
    """Tell whether bytes fit in half of the GPU's free memory; the rest is for the network."""
    free, _ = torch.cuda.mem_get_info()
    return size <= free // 2


def moved(tensor: Tensor, device: str) -> Tensor:
    """Give a tensor on a device; to a GPU from pinned memory, so that nothing waits for it."""
    if device == "cpu" or tensor.device.type == device:
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def random_states(device: str) -> dict[str, Tensor]:
    """Give torch's random states that a training on the device draws from, uint8."""
    states = {"cpu": torch.get_rng_state()}
    if device == "cuda":
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor]) -> None:
    """Continue from random states."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


@contextmanager
def reproducible(seed: int, threads: int, device: str) -> Iterator[None]:
    """Run a block from a seed with deterministic algorithms; afterwards torch is as it was."""
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    if device == "cuda":
        os.environ.setdefault(CUBLAS, ":4096:8")
    with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            torch.use_deterministic_algorithms(deterministic)
