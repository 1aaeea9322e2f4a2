"""Trained models of either kind, networks and scikit-learn's, and what they state of samples."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...errors import InputError, TaskError
from ...nn_bank import inference
from ..contract import Settings
from ..learning import model_file
from ..learning.model_file import Card, Model
from ..scikit import model_file as scikit_file
from ..scikit.model_file import ScikitModel

log = logging.getLogger(__name__)

AnyModel = Model | ScikitModel
NETWORK, SCIKIT = ".safetensors", ".skops"
"""Ends of the names of model files."""


class UseSettings(Settings):
    """Keys that say how models are applied."""

    calibrate: bool = Field(
        False,
        description="True: confidence and probabilities are calibrated by the temperature of the "
        "model, fitted on its validation set; no label changes.",
    )
    inference_precision: inference.Precision = Field(
        "float32",
        description="Type of number of the products of a network; bfloat16 is faster and changes "
        "the labels of some pixels: logs and model tell the share on the validation set.",
    )


@dataclass(frozen=True)
class Use:
    """How models are applied."""

    precision: inference.Precision = "float32"
    device: str = "cpu"
    """cpu or cuda."""
    calibrate: bool = False

    def temperature(self, model: AnyModel) -> float:
        """Give what the logits of a model are divided by, for its confidence; 1 for nothing."""
        if not self.calibrate or model.card.calibration is None:
            return 1.0
        return float(model.card.calibration["temperature"])


def load(path: Path, module: Path | None = None) -> AnyModel:
    """Load a model for inference, by the end of its name.

    Parameters
    ----------
    path : Path
    module : Path, optional
        File of the user's networks (dl_module).
    """
    if _kind(path) == SCIKIT:
        return scikit_file.load(path)
    return model_file.load(path, module)


def read_card(path: Path) -> Card:
    """Read the card of a model alone."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such model file")
    reader = scikit_file.read_card if _kind(path) == SCIKIT else model_file.read_card
    try:
        return reader(path)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its card cannot be read ({type(error).__name__}: {error}); it is damaged, "
            "or of another version of i2lc"
        ) from error


def _kind(path: Path) -> str:
    if path.suffix not in (NETWORK, SCIKIT):
        raise InputError(f"{path} is no model file: models of i2lc end with {NETWORK} or {SCIKIT}")
    return path.suffix


def check(model: AnyModel, use: Use) -> None:
    """Refuse what a model cannot do; log what is known of what it is asked for.

    Raises
    ------
    TaskError
        calibrate or bfloat16 with a model of scikit-learn.
    """
    if isinstance(model, ScikitModel):
        _check_scikit(model, use)
        return
    if use.precision != "float32":
        log.info("%s: %s", use.precision, told_of(model.card, use.precision))
    if use.calibrate and model.card.calibration is None:
        log.warning(
            "calibrate: a model has no temperature, its validation set was empty: its "
            "confidence and probabilities stay as they are"
        )


def _check_scikit(model: ScikitModel, use: Use) -> None:
    name = model.card.network
    if use.calibrate:
        raise TaskError(
            f"calibrate : True divides the logits of a network, {name} of scikit-learn has none: "
            "set calibrate : False"
        )
    if use.precision != "float32":
        raise TaskError(
            f"inference_precision {use.precision} is for networks, not for {name} of "
            "scikit-learn: set float32"
        )


def told_of(card: Card, precision: str) -> str:
    """Say how many labels another precision changes, as measured at the training."""
    share = (card.precision or {}).get(precision)
    if share is None:
        return "the share of labels that it changes was not measured: the validation set was empty"
    return f"it changed the label of {100 * share:.3f} % of the validation samples"


def probabilities(
    models: Sequence[AnyModel],
    piece: NDArray[np.int16],
    use: Use,
    statics: NDArray[np.int16] | None = None,
) -> list[NDArray[np.float32]]:
    """Give the probabilities that each model states, not calibrated.

    Networks share the conversion of the samples; estimators are asked one by one.

    Parameters
    ----------
    models : sequence of Model or ScikitModel
        All of one layout of features.
    piece : ndarray of int16, (sample, date, band)
    use : Use
    statics : ndarray of int16, (sample, static), optional
        Features without a date, of models whose card names some.

    Returns
    -------
    list of ndarray of float32, (sample, class of the model)
        In the order of the models.
    """
    networks = [model for model in models if isinstance(model, Model)]
    said: Iterator[NDArray[np.float32]] = iter(())
    if networks:
        first = networks[0]
        said = iter(
            inference.predict_all(
                [model.network for model in networks],
                piece,
                first.scale,
                raw=first.card.raw,
                gaps=first.card.gaps,
                precision=use.precision,
                device=use.device,
            )
        )
    return [
        model.probabilities(piece, statics) if isinstance(model, ScikitModel) else next(said)
        for model in models
    ]
