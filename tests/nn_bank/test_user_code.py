"""A user's Python file: run once a text, under a name of its own, with errors that name its key."""

import hashlib
import inspect
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from i2lc.errors import ConfigError
from i2lc.nn_bank import user_code

COUNTING = """
import sys
sys.loads = getattr(sys, "loads", 0) + 1
number = sys.loads
"""


def written(folder, text, name="mine.py"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _uncounted():
    yield
    vars(sys).pop("loads", None)


def refused(call, message):
    with pytest.raises(ConfigError, match="^" + re.escape(message) + "$"):
        call()


def test_a_text_runs_once_and_a_changed_one_anew(tmp_path):
    path = written(tmp_path, COUNTING)
    first = user_code.load(path, "module")
    assert user_code.load(path, "another key") is first
    assert first.number == sys.loads == 1
    path.write_text(COUNTING + "more = 1\n")
    second = user_code.load(path, "module")
    assert (second.number, second.more, first.number) == (2, 1, 1)
    assert first.__file__ == second.__file__ == str(path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.py"]  # no __pycache__


def test_a_file_that_is_run_anew_keeps_nothing(tmp_path):
    path = written(tmp_path, COUNTING + "kept = []\ndef keep():\n    kept.append(number)\n")
    loaded = user_code.load(path, "module")
    loaded.keep()
    first, second = (user_code.fresh(path, "module") for _ in range(2))
    second.keep()
    assert (loaded.kept, first.kept, second.kept) == ([1], [], [3])
    assert user_code.load(path, "module") is loaded
    assert sys.modules[second.__name__] is second  # where pickle and dataclasses look
    assert len({one.__name__ for one in (loaded, first, second)}) == 3
    path.write_text("import sys\nassert sys.loads < 3, 'no more'\n")
    refused(
        lambda: user_code.fresh(path, "module"),
        f"module {path} fails when imported: AssertionError: no more",
    )


@pytest.mark.parametrize("run", [user_code.load, user_code.fresh])
def test_a_file_of_another_encoding_is_refused_though_python_runs_it(tmp_path, run):
    path = tmp_path / "mine.py"
    text = "# coding: latin-1\nname = 'été'\n"
    path.write_bytes(text.encode("latin-1"))
    refused(
        lambda: run(path, "module"),
        f"module {path} is not in UTF-8: line 2 has the byte 0xe9; save it in UTF-8, which needs "
        "no coding line",
    )
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes(text.replace("latin-1", "utf-8").encode(encoding))
        assert run(path, "module").name == "été"


def test_files_of_one_name_and_text_do_not_meet(tmp_path):
    one, other = (written(tmp_path / name, COUNTING) for name in ("one", "other"))
    assert user_code.load(one, "module") is not user_code.load(other, "module")
    assert "mine" not in sys.modules


def test_its_lines_can_be_shown(tmp_path):
    path = written(tmp_path, "def f():\n    return 1 / 0\n")
    assert inspect.getsource(user_code.load(path, "module").f) == path.read_text()


def test_threads_wait_until_the_file_has_run(tmp_path):
    path = written(tmp_path, COUNTING + "import time\ntime.sleep(0.2)\nready = True\n")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: user_code.load(path, "module").ready, range(4)))
    assert found == [True] * 4
    assert sys.loads == 1


def test_digest_is_the_sha256_of_the_text(tmp_path):
    path = written(tmp_path, COUNTING)
    assert user_code.digest(path) == hashlib.sha256(COUNTING.encode()).hexdigest()


def test_errors_name_the_key_and_leave_nothing_behind(tmp_path):
    missing = tmp_path / "missing.py"
    cannot = f"{missing} cannot be read: No such file or directory"
    refused(lambda: user_code.load(missing, "module"), f"module {cannot}")
    refused(lambda: user_code.digest(missing, "copy"), f"copy {cannot}")
    refused(lambda: user_code.digest(missing), f"file {cannot}")
    path = written(tmp_path, "x = 1\ndef f(:\n")
    before = set(sys.modules)
    refused(
        lambda: user_code.load(path, "module"),
        f"module {path} is not Python: line 2: invalid syntax",
    )
    path.write_text("raise SystemExit(3)\n")
    refused(
        lambda: user_code.load(path, "module"),
        f"module {path} fails when imported: SystemExit: 3",
    )
    path.write_text(COUNTING + "import no_such_package_of_mine\n")
    for _ in range(2):
        refused(
            lambda: user_code.load(path, "module"),
            f"module {path} fails when imported: ModuleNotFoundError: "
            "No module named 'no_such_package_of_mine'",
        )
    assert sys.loads == 2
    assert set(sys.modules) == before
    path.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        user_code.load(path, "module")
    assert set(sys.modules) == before
