import json
import logging
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from i2lc.nn_bank import Checkpoint
from i2lc.steps.learning import checkpoint_file

TENSORS = {
    "network/weight": torch.tensor([[1.5, -0.0], [float("nan"), float("inf")]]),
    "optimizer/0/step": torch.tensor(3.0),
    "random/cpu": torch.arange(7, dtype=torch.uint8),
    "best/1/empty": torch.zeros(0, 3),
    "best/1/half": torch.ones(3, dtype=torch.bfloat16),
}
META = {"history": [{"number": 1, "kappa": float("nan"), "train_loss": 0.1}], "best": {}}


@pytest.fixture
def written(tmp_path, caplog):
    caplog.set_level(logging.INFO, "i2lc.steps.learning.checkpoint_file")
    path = tmp_path / "model_checkpoint.safetensors"
    checkpoint_file.save(path, Checkpoint(TENSORS, META), "key 1")
    return path


def told(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_was_written_comes_back(written, caplog):
    found = checkpoint_file.load(written, "key 1")
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        got = found.tensors[name]
        assert (got.dtype, got.shape) == (tensor.dtype, tensor.shape)
        assert got.reshape(-1).view(torch.uint8).tolist() == (
            tensor.reshape(-1).view(torch.uint8).tolist()
        )
    assert repr(found.meta) == repr(META)
    assert found.epoch == 1
    assert told(caplog) == []


def test_the_next_one_takes_its_place(written):
    checkpoint_file.save(written, Checkpoint(TENSORS, {**META, "more": 1}), "key 1")
    assert checkpoint_file.load(written, "key 1").meta["more"] == 1
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_no_file(tmp_path, caplog):
    caplog.set_level(logging.INFO, "i2lc.steps.learning.checkpoint_file")
    assert checkpoint_file.load(tmp_path / "none.safetensors", "key") is None
    assert told(caplog) == [
        ("INFO", "no checkpoint none.safetensors: the training begins with epoch 1")
    ]


def test_another_key(written, caplog):
    assert checkpoint_file.load(written, "key 2") is None
    assert told(caplog) == [
        (
            "INFO",
            "the checkpoint model_checkpoint.safetensors is of other samples, settings or torch: "
            "the training begins with epoch 1",
        )
    ]


def flipped(path):
    """Change one bit of the last tensor."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def renamed(path):
    with safe_open(path, framework="pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about[checkpoint_file.KEY] = about[checkpoint_file.KEY].replace("0.1", "0.2")
    save_file(tensors, path, metadata=about)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (flipped, "it is damaged, its content does not match its sum"),
        (renamed, "it is damaged, its content does not match its sum"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), ""),
        (lambda path: path.write_bytes(b""), ""),
        (lambda path: path.write_text("a checkpoint of another program, in text"), ""),
        (lambda path: save_file(TENSORS, path), "its format is None, not 'i2lc-checkpoint-1'"),
    ],
    ids=["bit", "meta", "cut", "empty", "text", "foreign"],
)
def test_damaged_and_foreign_files_are_left_alone_with_a_warning(written, caplog, damage, why):
    damage(written)
    before = written.read_bytes()
    assert checkpoint_file.load(written, "key 1") is None
    ((level, text),) = told(caplog)
    assert level == "WARNING"
    assert text.startswith(f"{written} is not used as a checkpoint: {why}")
    assert written.read_bytes() == before


def test_missing_parts_are_damage(written, caplog):
    save_file(
        TENSORS,
        written,
        metadata={
            checkpoint_file.KEY: json.dumps({"format": checkpoint_file.FORMAT, "key": "key 1"})
        },
    )
    assert checkpoint_file.load(written, "key 1") is None
    assert told(caplog)[0][0] == "WARNING"


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from nn_toys import cut, drawing, toy, weights_of
from i2lc.nn_bank import FitOptions, fit
from i2lc.steps.learning import checkpoint_file

path, killed_in = Path(sys.argv[1]), int(sys.argv[2])
training = cut(toy(150, 0), 20) if sys.argv[4] == "stream" else toy(150, 0)
network = drawing(training)
passes = [0]

def count(*_):
    passes[0] += network.training
    if passes[0] == killed_in:
        os.kill(os.getpid(), signal.SIGKILL)

network.register_forward_pre_hook(count)
options = FitOptions(epochs=6, batch_size=32, learning_rate=1e-2, one_cycle=True)
result = fit(network, training, toy(40, 1), options, resume=checkpoint_file.load(path, "key"),
             keep=lambda checkpoint: checkpoint_file.save(path, checkpoint, "key"))
weights = {name: value.hex() for name, value in weights_of(network).items()}
print(json.dumps([passes[0], weights, repr(result.history)]))
"""


def trained(path, killed_in, mode, helpers):
    command = [sys.executable, "-c", SCRIPT, str(path), str(killed_in), str(helpers), mode]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ})


@pytest.mark.chain
@pytest.mark.parametrize("mode", ["full", "stream"])
def test_process_killed_twice_ends_with_the_same_bits(tmp_path, request, mode):
    helpers = request.config.rootpath / "tests" / "nn_bank"
    path = tmp_path / "killed_checkpoint.safetensors"
    assert trained(path, 13, mode, helpers).returncode == -signal.SIGKILL  # in epoch 3 of 5 steps
    assert trained(path, 8, mode, helpers).returncode == -signal.SIGKILL  # in epoch 4
    killed = trained(path, -1, mode, helpers)
    whole = trained(tmp_path / "whole_checkpoint.safetensors", -1, mode, helpers)
    assert killed.stderr == whole.stderr == ""
    steps, weights, history = json.loads(killed.stdout)
    expected_steps, *expected = json.loads(whole.stdout)
    assert [weights, history] == expected
    assert (steps, expected_steps) == (15, 30)  # epochs 4 to 6, and all
