import inspect
import re
import sys
import textwrap

import pytest
import torch

from i2lc.errors import ConfigError
from i2lc.nn_bank import Iota2NeuralNetwork, build, network_class, user_networks
from i2lc.nn_bank.registry import parameters_of

SEED = """
import torch
import torch.nn.functional as F
from torch import nn

from i2lc.nn_bank import Iota2NeuralNetwork


class Mine(Iota2NeuralNetwork):
    def __init__(self, nb_dates, nb_components, nb_class, width=16):
        super().__init__(nb_dates, nb_components, nb_class)
        self.hidden1 = nn.Sequential(nn.Flatten(), nn.Linear(nb_dates * nb_components, width))
        self.bnhidden2 = nn.BatchNorm1d(width)
        self.hidden2 = nn.Linear(width, width)
        self.bnout = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, nb_class)

    def _forward(self, x):

        mean = self._stats["s2_theia"]["mean"]
        x = self.nans_imputation(x, mean, self.default_mean)
        std = torch.sqrt(self._stats["s2_theia"]["var"])
        x = self.standardize(x, mean, std, self.default_mean, self.default_std)

        x = F.relu(x)
        x = F.relu(self.bnhidden2(self.hidden1(x)))
        x = F.relu(self.bnout(self.hidden2(x)))
        x = self.output(x)
        return x
"""

HEAD = "from i2lc.nn_bank import Iota2NeuralNetwork\n"


def written(folder, text, name="mine.py"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def refused(call, message):
    with pytest.raises(ConfigError, match="^" + re.escape(message)):
        call()


def test_the_printed_forward_runs_as_it_is(tmp_path):
    path = written(tmp_path, SEED)
    network = build("Mine", 3, 2, 4, {"width": 5}, module=path)
    x = torch.randn(6, 3, 2)
    x[1, 2, 0] = torch.nan
    logits = network(x)
    assert logits.shape == (6, 4)
    assert logits.isfinite().all()
    assert parameters_of(type(network)) == ["width"]
    assert not network.reads_raw_dates
    assert [one.name for one in tmp_path.iterdir()] == ["mine.py"]  # no __pycache__


def test_only_what_the_file_defines(tmp_path):
    path = written(
        tmp_path,
        HEAD
        + "from i2lc.nn_bank import MLPClassifier\nclass A(MLPClassifier): pass\nclass B: pass\n",
    )
    assert list(user_networks.load(path)) == ["A"]
    assert build("A", 2, 3, 4, {"hidden_sizes": [2]}, module=path)(torch.zeros(1, 2, 3)).shape == (
        1,
        4,
    )


def test_twice_is_the_same_class_and_files_of_one_name_do_not_meet(tmp_path):
    one = written(tmp_path / "one", SEED)
    other = written(tmp_path / "other", SEED)
    assert network_class("Mine", one) is network_class("Mine", one)
    assert network_class("Mine", one) is not network_class("Mine", other)
    assert user_networks.digest(one) == user_networks.digest(other)
    assert "mine" not in sys.modules


def test_a_changed_file_is_read_anew(tmp_path):
    path = written(tmp_path, SEED)
    before, digest = network_class("Mine", path), user_networks.digest(path)
    path.write_text(SEED.replace("width=16", "width=17"))
    assert inspect.signature(before).parameters["width"].default == 16
    assert inspect.signature(network_class("Mine", path)).parameters["width"].default == 17
    assert user_networks.digest(path) != digest


def test_second_parameter_named_validity_reads_raw_dates(tmp_path):
    path = written(
        tmp_path,
        HEAD
        + """
class Counting(Iota2NeuralNetwork):
    def _forward(self, x, validity):
        return x.new_full((len(x), self.nb_class), -1.0 if validity is None else validity.sum())
class Heir(Counting):
    pass
""",
    )
    network = build("Heir", 2, 1, 3, {}, module=path)
    assert type(network).reads_raw_dates
    x = torch.zeros(2, 2, 1)
    assert network(x).tolist() == [[-1.0] * 3] * 2
    assert network(x, torch.tensor([[0, 1], [2, 0]]).byte()).tolist() == [[3.0] * 3] * 2


def test_any_keyword(tmp_path):
    path = written(
        tmp_path,
        HEAD
        + """
class Any(Iota2NeuralNetwork):
    def __init__(self, **options):
        self_sizes = [options.pop(n) for n in ("nb_dates", "nb_components", "nb_class")]
        super().__init__(*self_sizes)
        self.options = options
""",
    )
    assert build("Any", 1, 2, 3, {"a": 1, "b": "x"}, module=path).options == {"a": 1, "b": "x"}
    refused(
        lambda: build("Any", 1, 2, 3, {"nb_class": 1}, module=path),
        "Any has no parameter 'nb_class'",
    )


def test_errors_of_the_file(tmp_path):
    missing = tmp_path / "missing.py"
    reason = "cannot be read: No such file or directory"
    refused(lambda: user_networks.load(missing), f"dl_module {missing} {reason}")
    refused(lambda: user_networks.digest(missing), f"dl_module {missing} {reason}")
    path = written(tmp_path, "x = 1\ndef f(:\n")
    message = f"dl_module {path} is not Python: line 2: invalid syntax"
    refused(lambda: user_networks.load(path), message)
    path.write_bytes(b"x = 1\0")
    refused(lambda: user_networks.load(path), f"dl_module {path} is not Python: ")
    path = written(tmp_path, "import no_such_package_of_mine\n")
    message = (
        f"dl_module {path} fails when imported: ModuleNotFoundError: "
        "No module named 'no_such_package_of_mine'"
    )
    for _ in range(2):  # a failure leaves nothing behind
        refused(lambda: user_networks.load(path), message)
    path = written(tmp_path, "raise SystemExit(3)\n")
    refused(
        lambda: user_networks.load(path), f"dl_module {path} fails when imported: SystemExit: 3"
    )


def test_errors_of_the_class(tmp_path):
    path = written(
        tmp_path,
        HEAD
        + """
class Short(Iota2NeuralNetwork):
    def __init__(self, nb_dates, bands):
        super().__init__(nb_dates, bands, 2)
class Empty(Iota2NeuralNetwork):
    def __init__(self, nb_dates, nb_components, nb_class, depth):
        pass
class Other:
    pass
""",
    )
    refused(
        lambda: network_class("Mien", path),
        f"dl_module {path} defines no network 'Mien'; networks there: Empty, Short",
    )
    refused(
        lambda: network_class("Other", path),
        f"class Other of dl_module {path} does not derive from Iota2NeuralNetwork",
    )
    refused(
        lambda: network_class("Short", path),
        f"Short.__init__ of dl_module {path} has no argument nb_components, nb_class; "
        "it must take nb_dates, nb_components, nb_class",
    )
    refused(
        lambda: build("Empty", 1, 2, 3, {"width": 1}, module=path),
        "Empty has no parameter 'width'; known: depth",
    )
    refused(
        lambda: build("Empty", 1, 2, 3, {}, module=path),
        "Empty cannot be built with dl_parameters {} for nb_dates 1, nb_components 2, nb_class 3: "
        "TypeError: ",
    )
    refused(
        lambda: build("Empty", 1, 2, 3, {"depth": 1}, module=path),
        "Empty.__init__ must call super().__init__(nb_dates, nb_components, nb_class)",
    )


def test_wrong_output_is_told_with_its_shape(tmp_path):
    path = written(
        tmp_path,
        HEAD
        + """
class Wide(Iota2NeuralNetwork):
    def _forward(self, x):
        return x
class Void(Iota2NeuralNetwork):
    def _forward(self, x):
        pass
""",
    )
    x = torch.zeros(5, 2, 3)
    tail = "for x of (5, 2, 3); it must give the logits (sample, class), here (5, 4)"
    wide, void = (build(name, 2, 3, 4, {}, module=path) for name in ("Wide", "Void"))
    refused(lambda: wide(x), f"Wide._forward gives (5, 2, 3) {tail}")
    refused(lambda: void(x), f"Void._forward gives NoneType {tail}")
    assert isinstance(wide, Iota2NeuralNetwork)
