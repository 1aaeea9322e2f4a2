"""The dates of a model in another year: its series shifted by whole years."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ...errors import InputError
from ..learning.model_file import Card


def shifted(day: date, years: int) -> date:
    """Give the same day of another year; of 29 February 28 February where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def years_between(first: date, other: date) -> int:
    """Give the whole years that bring `first` nearest to `other`."""
    about = other.year - first.year
    near = (about, about - 1, about + 1)
    return min(near, key=lambda years: abs((shifted(first, years) - other).days))


def dates_of(card: Card, own: Sequence[date], resolution: int) -> tuple[date, ...]:
    """Give the dates at which a model sees a series.

    Parameters
    ----------
    card : Card
        Its dates are shifted by whole years, as near as can be to the series.
    own : sequence of date
        Dates that the series would have by the settings of the run.
    resolution : int
        temporal_resolution of the run, for a model of a single date.

    Raises
    ------
    InputError
        Another number of dates, or one that lies more than half a temporal resolution of the
        model from its counterpart.
    """
    years = years_between(card.dates[0], own[0])
    goal = tuple(shifted(day, years) for day in card.dates)
    way_out = f"start_date {goal[0]:%Y%m%d} and end_date {goal[-1]:%Y%m%d}"
    if len(goal) != len(own):
        raise InputError(
            f"the model has {len(goal)} dates ({card.dates[0]} to {card.dates[-1]}), this series "
            f"has {len(own)} ({own[0]} to {own[-1]}): with {way_out}, and the "
            f"temporal_resolution of the model ({step_of(card) or resolution}), it has as many"
        )
    step = step_of(card) or resolution
    for number, (wanted, got) in enumerate(zip(goal, own, strict=True), 1):
        if 2 * abs((wanted - got).days) > step:
            raise InputError(
                f"date {number} of this series is {got}, that of the model "
                f"{card.dates[number - 1]}, or {wanted} in this year: they differ by "
                f"{abs((wanted - got).days)} days, more than half of its {step} days; choose "
                f"{way_out}"
            )
    return goal


def step_of(card: Card) -> int | None:
    """Give the days between two dates of a model, None where it has one date."""
    return (card.dates[1] - card.dates[0]).days if len(card.dates) > 1 else None
