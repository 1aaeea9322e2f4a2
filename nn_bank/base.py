"""`Iota2NeuralNetwork`: what every network of the chain is and can do."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .statistics import Summary

STATISTICS = ("min", "max", "mean", "var", "quantile_0.1", "quantile_0.5", "quantile_0.95")
"""Rows of the buffer `statistics`."""
MEAN, VAR = STATISTICS.index("mean"), STATISTICS.index("var")
ALWAYS = 4
"""The first so many of `STATISTICS` are always computed, the quantiles on demand."""

SENSOR = "s2_theia"
"""The one sensor of `_stats`."""


class Iota2NeuralNetwork(nn.Module):
    """Base of all networks: pixel time series in, one logit a class out.

    A derived class writes `_forward(self, x)`. It gets x as measured, (sample, date,
    band) in physical units, with NaN where nothing was observed; a network that wants
    standardised values without NaN asks for them with `self.normalised(x)`, or step by
    step with `self._stats`, `self.nans_imputation` and `self.standardize`. A `_forward`
    with a second parameter named `validity` reads raw dates: it gets the validity of each
    date, uint8 (sample, date): 0 valid, 1 invalid, 2 not acquired; None when the dates are
    interpolated. Statistics and dates are buffers: a state dict carries them.

    Parameters
    ----------
    nb_dates : int
        Dates of a series.
    nb_components : int
        Bands and indices of a date.
    nb_class : int
        Classes, which is the number of outputs.

    Raises
    ------
    ConfigError
        When one of the three is below 1.
    """

    reads_raw_dates: ClassVar[bool] = False
    """`_forward` has a parameter named `validity`."""
    default_mean: ClassVar[float] = 0.0
    """Mean of a feature of which there is no statistic."""
    default_std: ClassVar[float] = 1.0
    """Standard deviation of such a feature, and of a constant one."""

    statistics: Tensor
    """Of the training set, (7, date * band), rows `STATISTICS`; NaN where not computed."""
    days: Tensor
    """Days since 1 January of the year of the first date, (date,); spread over a year until set."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.reads_raw_dates = "validity" in inspect.signature(cls._forward).parameters

    def __init__(self, nb_dates: int, nb_components: int, nb_class: int) -> None:
        super().__init__()
        sizes = {"nb_dates": nb_dates, "nb_components": nb_components, "nb_class": nb_class}
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"{name} is {value}: a network needs at least 1")
        self.nb_dates = nb_dates
        self.nb_components = nb_components
        self.nb_class = nb_class
        unknown = torch.full((len(STATISTICS), nb_dates * nb_components), torch.nan)
        self.register_buffer("statistics", unknown)
        self.register_buffer("days", torch.arange(nb_dates) * (365.0 / nb_dates))

    def set_statistics(self, summary: Summary) -> None:
        """Take the training set's statistics.

        Parameters
        ----------
        summary : Summary
            In physical units, flat and date-major; NaN where there is none.

        Raises
        ------
        ValueError
            When a length is not nb_dates * nb_components, or a value is infinite.
        """
        expected = self.statistics.shape[1:]
        always = {name: getattr(summary, name) for name in STATISTICS[:ALWAYS]}
        found = torch.full_like(self.statistics, torch.nan)
        for name, values in (always | dict(summary.quantiles)).items():
            if values.shape != expected:
                raise ValueError(
                    f"{name} of shape {values.shape}, the network needs {tuple(expected)}"
                )
            if np.isinf(values).any():
                raise ValueError(f"{name} holds an infinite value")
            found[STATISTICS.index(name)] = torch.tensor(values)
        self.statistics.copy_(found)

    def set_dates(self, dates: Sequence[datetime.date]) -> None:
        """Take the dates of the series, in their order.

        Raises
        ------
        ValueError
            When there are not nb_dates of them.
        """
        if len(dates) != self.nb_dates:
            raise ValueError(f"{len(dates)} dates given, the network has {self.nb_dates}")
        start = datetime.date(dates[0].year, 1, 1).toordinal()
        self.days.copy_(torch.tensor([float(date.toordinal() - start) for date in dates]))

    @property
    def _stats(self) -> dict[str, dict[str, Tensor]]:
        """Statistics by sensor and name, each (date * band,), date-major.

        Quantiles are there only when they were computed.
        """
        absent = self.statistics[ALWAYS:].isnan().all(dim=1).tolist()
        computed = [True] * ALWAYS + [not one for one in absent]
        rows = zip(STATISTICS, self.statistics, computed, strict=True)
        return {SENSOR: {name: row for name, row, there in rows if there}}

    def nans_imputation(self, x: Tensor, mean: Tensor, default_mean: float) -> Tensor:
        """Give x with each NaN replaced by its feature's mean.

        Parameters
        ----------
        x : Tensor of float32, (sample, date, band)
        mean : Tensor of float32, (date * band,)
        default_mean : float
            Taken for a mean that is NaN.

        Returns
        -------
        Tensor of float32, (sample, date, band)
        """
        known = mean.nan_to_num(default_mean).view(x.shape[1:])
        return torch.where(x.isnan(), known, x)

    def standardize(
        self, x: Tensor, mean: Tensor, std: Tensor, default_mean: float, default_std: float
    ) -> Tensor:
        """Give (x - mean) / std.

        Parameters
        ----------
        x : Tensor of float32, (sample, date, band)
        mean, std : Tensor of float32, (date * band,)
        default_mean, default_std : float
            Taken for a mean that is NaN, and for a standard deviation that is NaN or 0.

        Returns
        -------
        Tensor of float32, (sample, date, band)
        """
        shape = x.shape[1:]
        spread = torch.where(std > 0, std, default_std).view(shape)
        return (x - mean.nan_to_num(default_mean).view(shape)).div_(spread)

    def normalised(self, x: Tensor) -> Tensor:
        """Give x imputed and standardised by the training set's statistics.

        The same values as `nans_imputation` and `standardize` one after the other, since
        an imputed mean standardises to 0, but in fewer passes over x.

        Parameters
        ----------
        x : Tensor of float32, (sample, date, band)

        Returns
        -------
        Tensor of float32, (sample, date, band)
            Without NaN.
        """
        mean, std = self.statistics[MEAN], self.statistics[VAR].sqrt()
        standard = self.standardize(x, mean, std, self.default_mean, self.default_std)
        return standard.nan_to_num_(0.0, torch.inf, -torch.inf)

    def forward(self, x: Tensor, validity: Tensor | None = None) -> Tensor:
        """Give the logits of a batch.

        Parameters
        ----------
        x : Tensor of float32, (sample, date, band)
            Physical units: reflectance / 10000, indices / 1000.
        validity : Tensor of uint8, (sample, date), optional
            0 valid, 1 invalid, 2 not acquired; for networks that read raw dates.

        Returns
        -------
        Tensor of float32, (sample, class)
            Logits: no softmax.

        Raises
        ------
        ValueError
            When x has other dates or bands than the network.
        ConfigError
            When `_forward` gives another shape.
        """
        name = type(self).__name__
        if x.shape[1:] != (self.nb_dates, self.nb_components):
            raise ValueError(
                f"{name} takes (sample, {self.nb_dates}, {self.nb_components}), "
                f"got {tuple(x.shape)}"
            )
        given = {"validity": validity} if self.reads_raw_dates else {}
        logits = self._forward(x, **given)
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if shape != (len(x), self.nb_class):
            raise ConfigError(
                f"{name}._forward gives {shape} for x of {tuple(x.shape)}; it must give the "
                f"logits (sample, class), here {(len(x), self.nb_class)}"
            )
        return logits

    def _forward(self, x: Tensor) -> Tensor:
        """Give the logits (sample, class) of x (sample, date, band): the network itself."""
        raise NotImplementedError(f"{type(self).__name__} does not define _forward")
