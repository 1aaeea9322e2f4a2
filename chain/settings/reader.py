"""Builds models of settings from the keys of a configuration file, and tells what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...steps import scikit_training
from ...steps.contract import Settings
from ..units import UnitSettings
from . import complaints, external_keys, kinds, names, scikit_keys, sections, syntax
from .plain_data import KeyPath
from .sections import RunSettings

Model = TypeVar("Model", bound=Settings)


def unknown(document: syntax.Document) -> Iterator[str]:
    """Tell the sections and keys that i2lc does not know."""
    known = sections.supported()
    for section, content in document.data.items():
        if section not in sections.SECTIONS:
            yield str(names.unknown_key_error((section,), document, known))
        elif not isinstance(content, dict):
            where = document.where((section,))
            yield f"{where}: section {section}: got {content!r}, expected {kinds.IN_BRACES}"
        elif section not in sections.WHOLE:
            for key in content:
                if key not in sections.SECTIONS[section] and section not in scikit_keys.FREE:
                    yield str(names.unknown_key_error((section, key), document, known))


def _entries(document: syntax.Document) -> Iterator[tuple[str, str, Any]]:
    """Yield section, key and value of all that i2lc knows."""
    for section, content in document.data.items():
        if section in sections.WHOLE and isinstance(content, dict):
            yield section, section, content
            continue
        for key, value in content.items() if isinstance(content, dict) else ():
            if key in sections.SECTIONS.get(section, ()):
                yield section, key, value


def disagreements(document: syntax.Document) -> Iterator[str]:
    """Tell the keys to which two sections give two values."""
    first: dict[str, tuple[str, Any]] = {}
    for section, key, value in _entries(document):
        home, other = first.setdefault(key, (section, value))
        if other != value:
            line = document.positions[home, key][0]
            yield (
                f"{document.where((section, key))}: {section}.{key} is {value}, but "
                f"{home}.{key} is {other} (line {line}): give it once, or the same value twice"
            )


class Reader:
    """Builds settings models from the values of a document and gathers what is wrong."""

    def __init__(self, document: syntax.Document, problems: list[str]) -> None:
        self._document = document
        self._homes: dict[str, str] = {}
        self._problems = problems
        self.values: dict[str, Any] = {}
        """Key -> value as written; a key of two sections once."""
        for section, key, value in _entries(document):
            self._homes.setdefault(key, section)
            self.values.setdefault(key, value)
        for section, field in scikit_keys.FREE.items():
            content = document.data.get(section)
            known = sections.SECTIONS[section]
            if isinstance(content, dict):
                self.values[field] = {k: v for k, v in content.items() if k not in known}

    def part(self, model: type[Model]) -> Model | None:
        """Build a model from the keys that it has; None when something is wrong."""
        given = {key: self.values[key] for key in model.model_fields if key in self.values}
        loose = complaints.loose(model, given)
        self._problems.extend(self._placed(path, text) for path, text in loose.items())
        try:
            folder = self._document.path.absolute().parent
            context = {"folder": folder, "model_type": self.values.get("model_type")}
            made = model.model_validate(given, context=context)
        except ValidationError as error:
            self._problems.extend(
                self._told(model, detail)
                for detail in error.errors(include_url=False)
                if not _begins_with(detail["loc"], loose)
            )
            return None
        return None if loose else made

    def look_at_bands(self, run: RunSettings) -> None:
        """Tell when keep_bands is given and extract_bands says not to use it."""
        if run.extract_bands is False and "keep_bands" in self.values:
            self._problems.append(
                f"{self._where('extract_bands')}: extract_bands False contradicts keep_bands: "
                "drop one of them"
            )

    def look_at_modes(self, run: RunSettings, units: UnitSettings) -> None:
        """Tell the keys that the mode of the run would leave without effect."""
        key, plain = "no_label_management", sections.fields()["no_label_management"].default
        if self.values.get(key, plain) != plain and units.classif_mode != "fusion":
            self._problems.append(
                f"{self._where('no_label_management')}: no_label_management belongs to "
                f"classif_mode fusion, not {units.classif_mode}: drop it, or choose fusion"
            )
        if units.folds is None or units.folds.output == "maps":
            return
        for key in ("enable_probability_map", "generate_final_probability_map"):
            if getattr(run, key):
                self._problems.append(
                    f"{self._where(key)}: {key} asks for a map, but folds asks for scores alone "
                    '(output : "scores"): drop one of them'
                )

    def look_at_scikit(self, settings: Settings | None) -> None:
        """Tell what is wrong with an estimator of scikit-learn and its keywords."""
        if isinstance(settings, scikit_training.Settings):
            found = scikit_keys.problems(self._document, settings, self.values)
            self._problems.extend(found)

    def look_at_external(self, run: RunSettings) -> None:
        """Tell the keys of external features that contradict others or have no effect."""
        self._problems.extend(external_keys.problems(self._document, run, self.values))

    def look_at_output(self, output: Path, steps: Iterable[Settings | None]) -> None:
        """Tell which inputs lie in the output folder: emptying it would delete them."""
        inputs = {f"{key} {path}": path for part in steps if part for key, path in _paths(part)}
        inputs["this configuration file"] = self._document.path
        folder = output.resolve()
        held = [name for name, path in inputs.items() if path.resolve().is_relative_to(folder)]
        if held:
            self._problems.append(
                f"{self._where('output_path')}: output_path {output} holds inputs: "
                f"{', '.join(held)}; give the outputs a folder of their own"
            )

    def _where(self, key: str) -> str:
        return self._document.where(self._place((key,)) if key in self._homes else ())

    def _place(self, path: Sequence[str]) -> KeyPath:
        """Give the path in the file of one in the models."""
        if path[0] in sections.WHOLE:
            return tuple(path)
        return (self._homes.get(path[0], "chain"), *path)

    def _told(self, model: type[Settings], detail: Any) -> str:
        """Turn an error of pydantic into a sentence with file and line."""
        path = tuple(str(part) for part in detail["loc"])
        if not path:
            return self._contradiction(complaints.message(detail))
        if detail["type"] == "missing" and len(path) == 1:
            section = next(name for name, keys in sections.SECTIONS.items() if path[0] in keys)
            return f"{self._document.path}: {section}.{path[0]} is missing ({_about(path[0])})"
        if detail["type"] == "extra_forbidden":
            return str(
                names.unknown_key_error(self._place(path), self._document, sections.supported())
            )
        return self._placed(path, complaints.told(model, path, detail))

    def _placed(self, path: Sequence[str], complaint: str) -> str:
        """Put file, line and key before a complaint."""
        place = self._place(path)
        key = ".".join(part for part in place if not part.isdigit())
        return f"{self._document.where(place)}: {key}: {complaint}"

    def _contradiction(self, message: str) -> str:
        """Tell what several keys of a model disagree on, at the first of them in the file."""
        keys = [key for key in self._homes if re.search(rf"\b{key}\b", message)]
        places = [self._document.positions[self._place((key,))] for key in keys]
        where = self._where(keys[places.index(min(places))]) if keys else self._document.path
        return f"{where}: {message}"


def _about(key: str) -> str:
    return (sections.fields()[key].description or "").rstrip(".")


def _begins_with(path: Iterable[str | int], beginnings: Iterable[Sequence[str]]) -> bool:
    parts = tuple(str(part) for part in path)
    return any(parts[: len(beginning)] == tuple(beginning) for beginning in beginnings)


def _paths(settings: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield the keys of a model, and of those inside it, that hold a path."""
    for key, info in type(settings).model_fields.items():
        value = getattr(settings, key)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                yield from _paths(inner)
            elif isinstance(inner, Path):
                yield info.alias or key, inner
