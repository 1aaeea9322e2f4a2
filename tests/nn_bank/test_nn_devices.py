import logging
import os

import pytest
import torch

from i2lc.nn_bank import devices


@pytest.fixture
def gpus(monkeypatch):
    """Let torch find GPUs, or none."""

    def found(number):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"card {index}")

    return found


@pytest.mark.parametrize(
    ("granted", "there", "device", "told"),
    [
        (0, 0, "cpu", []),
        (0, 2, "cpu", []),  # never more than granted
        (1, 2, "cuda", ["GPU: card 0"]),
        (4, 1, "cuda", ["GPU: card 0"]),
        (2, 0, "cpu", ["2 GPU granted (nb_gpu), torch finds none: the CPU is used"]),
    ],
)
def test_choice(gpus, caplog, granted, there, device, told):
    gpus(there)
    caplog.set_level(logging.INFO, "i2lc.nn_bank.devices")
    assert devices.choose(granted) == device
    assert [record.getMessage() for record in caplog.records] == told


def test_torch_is_not_asked_where_no_gpu_is_granted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("asked"))
    assert devices.choose(0) == "cpu"


@pytest.mark.parametrize(("size", "fits"), [(50, True), (51, False)])
def test_room_is_half_of_what_is_free(monkeypatch, size, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (101, 1000))
    assert devices.has_room(size) is fits


def test_tensors_stay_where_they_belong():
    tensor = torch.zeros(3)
    assert devices.moved(tensor, "cpu") is tensor


def test_random_states_come_back():
    with torch.random.fork_rng():
        states = devices.random_states("cpu")
        expected = torch.rand(4)
        devices.set_random_states(states)
        assert torch.equal(torch.rand(4), expected)
        assert set(states) == {"cpu"}


def test_torch_is_as_before_after_an_error():
    def run():
        with devices.reproducible(3, 1, "cpu"):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            torch.rand(2)
            raise KeyError("mine")

    threads, before = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyError, match="mine"):
        run()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert devices.CUBLAS not in os.environ
