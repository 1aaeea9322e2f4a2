"""What lands in the wheel, and which folder may import which."""

from __future__ import annotations

import ast
import configparser
import os
import re
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

import networkx as nx
import pytest

from i2lc.chain import cli, recipe

ROOT = Path(__file__).parents[1]
FOLDERS = ("chain", "demo", "nn_bank", "scheduler", "steps")
COMMON = {"errors", "_version"}
ALLOWED = {
    "chain": {"steps", "scheduler"},
    "steps": {"nn_bank"},
    "nn_bank": set(),
    "scheduler": set(),
    "demo": set(),
    "errors": set(),
    "_version": set(),
}
"""Folder -> folders that it may import beside itself and COMMON."""
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")) + sorted(
    ROOT.glob("*.py")
)
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def name_of(path: Path) -> str:
    """Name of a module below i2lc: `chain.cli`; empty for i2lc itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of i2lc that a module imports, `chain.cli`; of others, `*numpy`."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (f"*{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield f"*{node.module}"
                continue
            base = ".".join(package[: len(package) - node.level + 1])
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                whole = ".".join(part for part in (source, alias.name) if part)
                yield whole if whole in NAMES else source


def test_the_packages_are_the_folders_on_disk() -> None:
    listed = SETUP["options"]["packages"].split()
    folders = {path.parent for path in MODULES}
    on_disk = {".".join(("i2lc", *folder.relative_to(ROOT).parts)) for folder in folders}
    assert sorted(listed) == sorted(on_disk)
    assert all((folder / "__init__.py").is_file() for folder in folders)
    assert SETUP["options"]["package_dir"].split() == ["i2lc", "=", "."]


def test_no_other_module_would_land_in_the_wheel() -> None:
    assert [path.name for path in sorted(ROOT.glob("*.py"))] == [
        "__init__.py",
        "_version.py",
        "errors.py",
    ]


def test_package_data_is_there() -> None:
    patterns = SETUP["options.package_data"]["i2lc"].split()
    assert patterns == ["py.typed", "config_templates/*.cfg"]
    for pattern in patterns:
        assert list(ROOT.glob(pattern)), pattern
    templates = {path.name for path in (ROOT / "config_templates").iterdir()}
    assert templates == {path.name for path in ROOT.glob("config_templates/*.cfg")}


def test_the_command_is_installed() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="i2lc")
    assert script.load() is cli.main
    assert SETUP["options.entry_points"]["console_scripts"].split("\n")[1:] == [
        "i2lc = i2lc.chain.cli:main"
    ]
    command = ROOT / "bin" / "i2lc"
    assert "from i2lc.chain.cli import main" in command.read_text()
    assert os.access(command, os.X_OK)


def test_constraints_pin_and_setup_states_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    assert {"torch==2.13.0", "affine<3"} <= set(lines)
    needs = SETUP["options"]["install_requires"].split()
    assert not [need for need in needs if "==" in need]
    assert "affine<3" in needs


def test_every_import_of_another_package_is_declared() -> None:
    provides = metadata.packages_distributions()
    declared = {
        re.split(r"[<>=!~]", need)[0].lower()
        for need in SETUP["options"]["install_requires"].split()
    }
    import_names = {
        name[1:].split(".")[0] for path in MODULES for name in imports_of(path) if name[0:1] == "*"
    }
    for name in import_names:
        homes = {home.lower() for home in provides.get(name, ())}
        assert not homes or homes & declared, f"{name} is imported but not in setup.cfg"


def arrows() -> Iterator[tuple[str, str]]:
    """Yield (importing module, imported module) within i2lc."""
    for name, path in NAMES.items():
        for imported in imports_of(path):
            if not imported.startswith("*"):
                yield name, imported


def test_imports_within_i2lc_are_relative() -> None:
    for name, path in NAMES.items():
        assert not [i for i in imports_of(path) if i.startswith("*i2lc")], name


def test_layers() -> None:
    wrong = []
    for name, imported in arrows():
        home, target = name.split(".")[0], imported.split(".")[0]
        if home == "":
            allowed = {"_version"}
        else:
            allowed = {home, *COMMON, *ALLOWED[home]} - ({home} if home in COMMON else set())
        if name == "chain.cli":
            allowed = {*allowed, "demo"}
        if target not in allowed:
            wrong.append(f"{name} -> {imported}")
    assert wrong == []


def test_the_layers_test_sees_an_arrow() -> None:
    found = set(arrows())
    assert ("chain.cli", "demo.landscape") in found
    assert ("chain.recipe", "steps.training") in found
    assert ("steps.learning.process", "nn_bank.training") in found
    assert ("steps.files.disk", "errors") in found


def test_modules_do_not_import_in_circles() -> None:
    made = nx.DiGraph(arrow for arrow in arrows() if arrow[0] != arrow[1])
    circles = [sorted(part) for part in nx.strongly_connected_components(made) if len(part) > 1]
    assert circles == []


def folder_of(name: str) -> str:
    """Give `steps.files` of `steps.files.store`, and `steps.pixels` of itself."""
    return ".".join(name.split(".")[:2])


def test_folders_do_not_import_in_circles() -> None:
    made = nx.DiGraph((folder_of(name), folder_of(imported)) for name, imported in arrows())
    made.remove_edges_from(list(nx.selfloop_edges(made)))
    assert made.has_edge("steps.maps", "steps.files")
    circles = [sorted(part) for part in nx.strongly_connected_components(made) if len(part) > 1]
    assert circles == []


def test_no_folder_of_steps_imports_a_step() -> None:
    steps = step_modules()
    inner = [name for name in NAMES if name.startswith("steps.") and name.count(".") > 1]
    assert len(inner) > 50
    assert [f"{a} -> {b}" for a, b in arrows() if a in inner and b in steps] == []


def step_modules() -> set[str]:
    """Modules that define a step."""

    def defines(path: Path) -> bool:
        return any(
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.targets[0]) == "STEP"
            for node in tree_of(path).body
        )

    return {name for name, path in NAMES.items() if name.startswith("steps.") and defines(path)}


def test_steps_never_import_each_other() -> None:
    steps = step_modules()
    assert len(steps) > 10
    between = [f"{a} -> {b}" for a, b in arrows() if a in steps and b in steps and a != b]
    assert between == []


def test_every_step_is_in_the_recipe() -> None:
    defined = {import_module(f"i2lc.{name}").STEP for name in step_modules()}
    assert defined == {*recipe.STEPS, *recipe.PREDICTION}
    for step in recipe.STEPS:
        assert step.run.__module__ == f"i2lc.steps.{step.name}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_imported_inside_a_function(folder: str) -> None:
    for name, path in NAMES.items():
        if name.split(".")[0] != folder:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert not inside, f"{name}.{node.name}"


def test_nothing_is_printed() -> None:
    calls = [
        f"{name}:{node.lineno}"
        for name, path in NAMES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert calls == []


def test_no_bare_except() -> None:
    bare = [
        f"{name}:{node.lineno}"
        for name, path in NAMES.items()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []
