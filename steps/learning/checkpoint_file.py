"""The checkpoint of a training on disk: a safetensors file beside its model.

It is no product: one that is damaged, or of another training, is left alone with a message.
Its metadata hold the key of the training, and the sha256 of all that it holds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from ...nn_bank.checkpoint import Checkpoint
from ..files import store

log = logging.getLogger(__name__)

FORMAT = "i2lc-checkpoint-1"
KEY = "i2lc-checkpoint"
"""Key of the metadata."""


def save(path: Path, checkpoint: Checkpoint, key: str) -> None:
    """Write a checkpoint, whole or not at all, over the one before.

    Parameters
    ----------
    path : Path
        Ends in .safetensors.
    checkpoint : Checkpoint
    key : str
        Names all that decides the training.
    """
    tensors, meta = dict(checkpoint.tensors), json.dumps(dict(checkpoint.meta))
    about = {"format": FORMAT, "key": key, "meta": meta, "sha256": _digest(key, meta, tensors)}
    with store.writing(path) as temporary:
        # One key: several would be written in another order each time.
        temporary.write_bytes(as_bytes(tensors, metadata={KEY: json.dumps(about)}))


def load(path: Path, key: str) -> Checkpoint | None:
    """Read the checkpoint of a training.

    Returns
    -------
    Checkpoint or None
        None, with the reason in the log, when there is none, when it is damaged, or when its
        key is another one.
    """
    if not path.is_file():
        log.info("no checkpoint %s: the training begins with epoch 1", path.name)
        return None
    try:
        return _read(path, key)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is not used as a checkpoint: %s", path, error)
        return None


def _read(path: Path, key: str) -> Checkpoint | None:
    with safe_open(path, framework="pt") as file:
        about: dict[str, Any] = json.loads((file.metadata() or {}).get(KEY, "{}"))
        if about.get("format") != FORMAT:
            raise ValueError(f"its format is {about.get('format')!r}, not {FORMAT!r}")
        if about["key"] != key:
            log.info(
                "the checkpoint %s is of other samples, settings or torch: the training begins "
                "with epoch 1",
                path.name,
            )
            return None
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _digest(key, about["meta"], tensors) != about["sha256"]:
        raise ValueError("it is damaged, its content does not match its sum")
    return Checkpoint(tensors, json.loads(about["meta"]))


def _digest(key: str, meta: str, tensors: dict[str, Tensor]) -> str:
    """Give the sha256 of a key, of plain data, and of tensors with their names and types."""
    found = hashlib.sha256(json.dumps([key, meta]).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
