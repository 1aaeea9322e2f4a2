"""Reading of a resource file: which blocks and keys it has, and all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ...errors import ConfigError
from ..recipe import STEPS
from . import complaints, kinds, names, syntax
from .plain_data import KeyPath
from .resource_keys import SiteBlock, SiteKeys, StepBlock
from .syntax import Document

SITE, DEFAULT = "site", "default"
BLOCKS = tuple(dict.fromkeys(step.resource for step in STEPS))
"""Blocks of the steps; two steps may share one."""
OLDER_KEYS = ("name", "process_min", "process_max", "nb_chunk")
"""Keys of older files of iota2, without meaning here."""
_OTHER = """
    iota2_chain iota2_dir preprocess_data get_common_mask coregistration slic_segmentation
    splitRegions split_samples samplesMerge superPixPos samplesSelection_tiles
    samplesManagement dimensionalityReduction stats_by_models
    cmdClassifications confusionMatrix gen_confusion_matrix fusion noData statsReport
    confusionMatrixFusion merge_final_classifications mergeOutStats SAROptConfusionMatrix
    SAROptConfusionMatrixFusion SAROptFusion clump grid vectorisation crownsearch crownbuild
    statistics join
"""
OTHER_BLOCKS = frozenset(_OTHER.split())
"""Blocks of iota2 that size no step of i2lc."""

Block = TypeVar("Block", bound=SiteKeys)
Problems = list[tuple[KeyPath, str]]
"""Key path and what is wrong there."""


def read(path: Path) -> tuple[tuple[str, ...], SiteBlock, dict[str, StepBlock]]:
    """Read and check a resource file.

    Returns
    -------
    warnings : tuple of str
        What is read and has no meaning here.
    site : SiteBlock
        An empty one when the file has none.
    blocks : dict
        Blocks of the file that size a step, and `default`, by name.

    Raises
    ------
    ConfigError
        All that is wrong with it, a line each, with file and line.
    """
    document = syntax.read(path)
    problems: Problems = [
        ((block,), text) for block in document.data for text in _unknown_block(block)
    ]
    site = _read(document, SITE, SiteBlock, problems)
    blocks = {
        block: _read(document, block, StepBlock, problems)
        for block in (DEFAULT, *BLOCKS)
        if block in document.data
    }
    if problems:
        problems.sort(key=lambda problem: document.positions[problem[0]])
        raise ConfigError("\n".join(f"{document.where(path)}: {text}" for path, text in problems))
    return tuple(_warnings(document)), site, blocks


def _read(document: Document, block: str, model: type[Block], problems: Problems) -> Block:
    """Read one block, an empty one when it is not there; add what is wrong with it."""
    content = document.data.get(block, {})
    if not isinstance(content, dict):
        told = f"block {block}: got {content!r}, expected {kinds.IN_BRACES}"
        problems.append(((block,), told))
        return model()
    older = OLDER_KEYS if model is StepBlock else ()
    values = {key: value for key, value in content.items() if key in model.model_fields}
    problems += [
        ((block, key), _unknown_key(block, key, model))
        for key in content
        if key not in values and key not in older
    ]
    made, faults = _made(model, values, document.path.absolute().parent)
    problems += [((block, *path), f"{block}.{path[0]}: {text}") for path, text in faults.items()]
    return _with_one_queue(document, block, made, problems)


def _made(
    model: type[Block], values: dict[str, Any], folder: Path
) -> tuple[Block, dict[KeyPath, str]]:
    """Make the model of a block, an empty one when something is wrong; tell what, by path."""
    faults = complaints.loose(model, values)
    try:
        made = model.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = tuple(str(part) for part in detail["loc"])
            faults.setdefault(path, complaints.told(model, path, detail))
        made = model()
    return made, faults


def _with_one_queue(document: Document, block: str, made: Block, problems: Problems) -> Block:
    """Put `partition` in the place of `queue`: Slurm's word for it."""
    if made.partition is None:
        return made
    if made.queue not in (None, made.partition):
        line = document.positions[block, "queue"][0]
        told = (
            f"{block}.partition is {made.partition!r}, but {block}.queue is {made.queue!r} "
            f"(line {line}): they mean the same; keep one"
        )
        problems.append(((block, "partition"), told))
    return made.model_copy(update={"queue": made.partition, "partition": None})


def _unknown_block(block: str) -> Iterator[str]:
    known = (SITE, DEFAULT, *BLOCKS)
    if block in known or block in OTHER_BLOCKS:
        return
    if block in names.KNOWN_IOTA2:
        yield (
            f"{block} is a section of a configuration file (-config); a resource file "
            f"has blocks of steps: {', '.join(known)}"
        )
    else:
        yield f"unknown block {block}{names.way_out(block, known, 'the blocks are')}"


def _unknown_key(block: str, key: str, model: type[SiteKeys]) -> str:
    told = f"unknown key {block}.{key}"
    other, home = (StepBlock, DEFAULT) if model is SiteBlock else (SiteBlock, SITE)
    if key in other.model_fields:
        return f"{told}; it belongs in block {home}"
    return told + names.way_out(key, model.model_fields, f"the keys of {block} are")


def _warnings(document: Document) -> Iterator[str]:
    """Tell what is read from the user's file and not used."""
    unused = [(block,) for block in document.data if block in OTHER_BLOCKS]
    if unused:
        told = _with_lines(document, unused)
        yield f"{document.path}: blocks of iota2 that no step of i2lc uses: {told}"
    older = [
        (block, key)
        for block in (DEFAULT, *BLOCKS)
        for key in document.data.get(block, {})
        if key in OLDER_KEYS
    ]
    if older:
        told = _with_lines(document, older)
        yield f"{document.path}: older keys of iota2, without meaning here: {told}"


def _with_lines(document: Document, paths: Sequence[KeyPath]) -> str:
    """List names, each once, with the lines where they stand."""
    lines: dict[str, list[int]] = {}
    for path in paths:
        lines.setdefault(path[-1], []).append(document.positions[path][0])
    return ", ".join(
        f"{name} (line{'s' * (len(at) > 1)} {', '.join(map(str, sorted(at)))})"
        for name, at in lines.items()
    )
