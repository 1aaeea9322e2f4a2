"""Copies of samples between models: the file of `sample_management`.

A line `source_model,dest_model,class,quantity` copies samples that train the source model into
those that train the destination; a region that is divided into models stands for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ...errors import InputError
from ..contract import Settings, UserPath
from .strategies import DIGITS, is_whole, read_rows, shown, unknown

KEY = "sample_management"
UNDIVIDED: Mapping[str, str] = {}
HEADER = ["source_model", "dest_model", "class", "quantity"]


class ExchangeSettings(Settings):
    """The key that copies samples between models."""

    sample_management: UserPath | None = Field(
        None,
        description="CSV file, `source_model,dest_model,class,quantity` a line: samples copied "
        "from one model's training set into another's.",
    )


@dataclass(frozen=True)
class Transfer:
    """One line of the file."""

    line: int
    """Number in the file, from 1."""
    source: str
    """Name of the model that gives."""
    dest: str
    """Name of the model that gets."""
    value: str
    """Class, as the ground truth writes it."""
    quantity: int
    """Samples to copy."""

    def repeats(self, other: Transfer, region_of: Mapping[str, str]) -> bool:
        """Tell whether both lines copy samples that are the same to one model."""

        def meet(one: str, two: str) -> bool:
            return one == two or region_of.get(one) == two or region_of.get(two) == one

        same = self.value == other.value
        return same and meet(self.source, other.source) and meet(self.dest, other.dest)


def read(
    path: Path,
    models: Collection[str] | None = None,
    codes: Iterable[str] | None = None,
    region_of: Mapping[str, str] = UNDIVIDED,
) -> list[Transfer]:
    """Read the file; a header and lines that begin with # are passed over.

    Parameters
    ----------
    path : Path
    models : collection of str, optional
        Names of all models, and of all regions that are divided into models; by default any
        name is taken.
    codes : iterable of str, optional
        Labels of the ground truth; by default any label is taken.
    region_of : mapping of model to region
        The models that are parts of a region; by default none is.

    Raises
    ------
    InputError
        The file cannot be read, or lines of it are wrong: all of them, each with its number.
    """
    labels = None if codes is None else frozenset(codes)
    transfers: list[Transfer] = []
    problems: list[str] = []
    for number, cells in read_rows(path, KEY):
        if [cell.lower() for cell in cells] == HEADER:
            continue
        found = list(_problems(cells, models, labels))
        if not found:
            line = Transfer(number, cells[0], cells[1], cells[2], int(cells[3]))
            found = list(_repeated(line, transfers, region_of))
            transfers.append(line)
        problems += [f"{path}, line {number}: {text}" for text in found]
    if problems:
        raise InputError("\n".join(problems))
    return transfers


def lines_for(path: Path | None, model: str, region: str) -> list[Transfer]:
    """Give the lines that copy samples to a model, by its own name or that of its region."""
    return [line for line in read(path) if line.dest in (model, region)] if path else []


def _repeated(
    line: Transfer, earlier: Iterable[Transfer], region_of: Mapping[str, str]
) -> Iterator[str]:
    """Tell which line before copies the same samples to the same model."""
    for other in earlier:
        if line.repeats(other, region_of):
            if (line.source, line.dest) == (other.source, other.dest):
                yield f"line {other.line} has these models and this class already"
            else:
                yield (
                    f"line {other.line} copies class {other.value} from {other.source} to "
                    f"{other.dest} already, and a region stands for all its models: keep one"
                )
            return


def _problems(
    cells: list[str], models: Collection[str] | None, labels: Collection[str] | None
) -> Iterator[str]:
    """Tell what is wrong with a line."""
    if len(cells) != len(HEADER):
        yield f"want '{','.join(HEADER)}', got '{shown(','.join(cells))}'"
        return
    source, dest, value, quantity = cells
    for word, name in (("source_model", source), ("dest_model", dest)):
        if models is not None and name not in models:
            yield unknown(word, name, models)
    if source == dest:
        yield (
            f"source_model and dest_model are both {source}; use sample_augmentation for more "
            "samples of a model's own"
        )
    if labels is not None and value not in labels:
        yield f"class {value} is no label of the ground truth"
    if not is_whole(quantity) or not quantity.strip("0"):
        yield f"quantity is a whole number above 0, got '{shown(quantity)}'"
    elif len(quantity) > DIGITS:
        yield f"quantity has {len(quantity)} digits, {DIGITS} at most"


def problems_of(
    path: Path | None,
    models: Collection[str],
    codes: Mapping[str, int],
    region_of: Mapping[str, str] = UNDIVIDED,
) -> list[str]:
    """List what is wrong with the file of `sample_management`, a sentence each."""
    try:
        if path is not None:
            read(path, models, codes, region_of)
    except InputError as error:
        return str(error).splitlines()
    return []
