"""The config of a run on the landscape, in iota2's syntax and with relative paths."""

from __future__ import annotations

from dataclasses import dataclass

from .truth import DATA_FIELD, LATTICE

_TEMPLATE = """\
chain :
{{
 output_path : "results"
 remove_output_path : True
 check_inputs : True
 list_tile : "{tiles}"
 data_field : "{field}"
 s2_path : "s2"
 ground_truth : "ground_truth.shp"
 spatial_resolution : {resolution}
 color_table : "colors.txt"
 nomenclature_path : "nomenclature.txt"
 first_step : 'init'
 last_step : 'validation'
 proj : "{proj}"
 split_ground_truth : True
 ratio : {ratio}
}}
arg_train :
{{
 runs : 1
 random_seed : 0
 sample_selection :
  {{
   "sampler" : "random"
{strategy}
  }}
 deep_learning_parameters :
  {{
   dl_name : "MLPClassifier"
   epochs : {epochs}
   model_selection_criterion : "fscore"
   num_workers : 0
   hyperparameters_solver : {{
           "batch_size" : [256],
           "learning_rate" : [0.001]
           }}
   }}
}}
arg_classification :
{{
    enable_probability_map : False
}}
python_data_managing :
{{
    number_of_chunks : 3
}}
Sentinel_2 :
{{
    temporal_resolution : 10
}}
"""

_ALL = '   "strategy" : "all"'
_CONSTANT = '   "strategy" : "constant"\n   "strategy.constant.nb" : {count}'
_PER_CLASS = 2000  # pixels, where there are more
_UPDATES = 2500  # of the network's weights; enough to converge at this rate
_BATCH = 256
_FEW = 8  # polygons a class: below, half of them validate


@dataclass(frozen=True)
class Run:
    """What of the landscape the config depends on."""

    tiles: tuple[str, ...]
    """Names of the tiles."""
    proj: str
    """CRS of the map."""
    classes: int
    """Number of classes."""
    fewest: int
    """Smallest number of reference polygons a class has."""
    pixels: int
    """Reference pixels, roughly."""


def config_text(run: Run) -> str:
    """Give the text of ``run.cfg``."""
    ratio = 0.75 if run.fewest >= _FEW else 0.5
    many = run.pixels * ratio > run.classes * _PER_CLASS
    samples = run.classes * _PER_CLASS if many else run.pixels * ratio
    batches = max(1.0, 0.8 * samples / _BATCH)
    return _TEMPLATE.format(
        tiles=" ".join(run.tiles),
        field=DATA_FIELD,
        resolution=LATTICE,
        proj=run.proj,
        ratio=ratio,
        strategy=_CONSTANT.format(count=_PER_CLASS) if many else _ALL,
        epochs=min(200, max(30, round(_UPDATES / batches))),
    )
