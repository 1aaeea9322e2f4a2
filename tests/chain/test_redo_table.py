"""Which steps are done again when a key of the configuration changes: the whole table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import tiny

from i2lc.chain import config, graph, ledger, recipe, units
from i2lc.chain.config import Config
from i2lc.steps.contract import Settings
from i2lc.steps.sampling import SampleSelection

ORDER = [step.name for step in recipe.STEPS]
NONE: set[str] = set()
CHECK = {"check_inputs"}
MAPS = {"classification", "tile_maps", "mosaic", "confusion", "report"}
LEARNING = {"training", "model_choice", *MAPS}
FEATURES = {"samples", "merge_samples", *LEARNING}
SPLIT = {"polygons", "selection", "class_statistics", *FEATURES}
PIXELS = {"tile_index", "envelopes", "validity", *SPLIT}
SHOWN = {"polygons", "mosaic", "validity"}

DEEP = "deep_learning_parameters"
SOLVER = f"{DEEP}.hyperparameters_solver"
CHOSEN = "sample_selection"
TABLE: dict[str, tuple[Any, set[str]]] = {
    # the run as a whole
    "output_path": (Path("/elsewhere"), NONE),
    "remove_output_path": (False, NONE),
    "first_step": ("sampling", NONE),
    "last_step": ("mosaic", NONE),
    "remove_tmp_files": (True, NONE),
    "enable_probability_map": (True, NONE),
    "generate_final_probability_map": (True, NONE),
    "extract_bands": (True, NONE),
    "allowed_retry": (3, NONE),
    "stalled_after": (9, NONE),
    "maximum_ram": (9.0, NONE),
    "maximum_cpu": (9, NONE),
    # inputs
    "check_inputs": (False, CHECK),
    "minimum_required_dates": (3, CHECK),
    "list_tile": (("T31TDJ", "T31TCJ"), CHECK),  # other tiles are other tasks
    "s2_path": (Path("moved"), CHECK | PIXELS),
    "ground_truth": (Path("/elsewhere.shp"), CHECK | SPLIT | {"validity"}),
    "data_field": ("other", CHECK | SPLIT | {"validity"}),
    "nomenclature_path": (
        Path("/elsewhere.txt"),
        CHECK | {"polygons", "selection", "class_statistics", "mosaic", "report"},
    ),
    "color_table": (Path("/elsewhere.txt"), CHECK | SHOWN),
    # pixels
    "proj": ("EPSG:32631", CHECK | PIXELS),
    "spatial_resolution": (20.0, CHECK | PIXELS),
    "keep_bands": (("B2", "B3", "B4", "B8", "B11"), PIXELS),
    "features": (("NDVI",), FEATURES),
    "temporal_resolution": (7, CHECK | {"envelopes"} | FEATURES),
    "start_date": ("20180101", CHECK | {"envelopes"} | FEATURES),
    "end_date": ("20180401", CHECK | {"envelopes"} | FEATURES),
    "auto_date": (True, NONE),
    "number_of_chunks": (5, FEATURES),
    # polygons and samples
    "random_seed": (9, SPLIT),
    "runs": (2, {"polygons", "class_statistics"} | FEATURES),
    "ratio": (0.4, SPLIT),
    "split_ground_truth": (False, SPLIT),
    "cloud_threshold": (2, SPLIT),
    f"{CHOSEN}.sampler": ("periodic", SPLIT - {"polygons"}),
    f"{CHOSEN}.strategy": ("smallest", SPLIT - {"polygons"}),
    f"{CHOSEN}.percent": (0.5, SPLIT - {"polygons"}),
    f"{CHOSEN}.constant_nb": (5, SPLIT - {"polygons"}),
    f"{CHOSEN}.total": (50, SPLIT - {"polygons"}),
    f"{CHOSEN}.byclass": (Path("/counts.csv"), CHECK | SPLIT - {"polygons"}),
    f"{CHOSEN}.jitter": (3, SPLIT - {"polygons"}),
    # learning
    f"{DEEP}.dl_name": ("Other", LEARNING),
    f"{DEEP}.dl_parameters": ({"hidden": [9]}, LEARNING),
    f"{DEEP}.model_selection_criterion": ("kappa", LEARNING),
    f"{DEEP}.epochs": (5, LEARNING),
    f"{DEEP}.weighted_labels": (True, LEARNING),
    f"{DEEP}.num_workers": (7, NONE),
    f"{DEEP}.torch_threads": (2, LEARNING),
    f"{SOLVER}.batch_size": ((77,), LEARNING),
    f"{SOLVER}.learning_rate": ((0.002,), LEARNING),
    # final rasters
    "compression_algorithm": ("DEFLATE", {"mosaic", "validity"}),
}


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny(tmp_path_factory.mktemp("table") / "land", tiles=(2, 1), dates=4)
    (made.parent / "moved").symlink_to("s2")
    return made


@pytest.fixture(scope="module")
def loaded(landscape: Path) -> Config:
    return config.load(landscape)


@pytest.fixture(scope="module")
def before(loaded: Config) -> dict[str, str]:
    return digests(loaded.units, loaded.steps)


def digests(asked: units.UnitSettings, steps: dict[str, Settings]) -> dict[str, str]:
    made = graph.build(recipe.land_cover(False, False), units.plan(asked))
    return {name: found.digest for name, found in ledger.fingerprints(made, steps).items()}


def changed(settings: Settings, path: list[str], value: Any) -> Settings:
    """Give settings with another value; the same where they do not have the key."""
    key, *rest = path
    if key not in type(settings).model_fields:
        return settings
    if rest:
        value = changed(getattr(settings, key), rest, value)
    return settings.model_copy(update={key: value})


PLANNED = {"number_of_chunks", "runs", "list_tile"}
"""Keys that change the units and can be planned with the landscape."""


@pytest.mark.parametrize("key", TABLE)
def test_a_key_redoes_the_steps_that_depend_on_it(
    loaded: Config, before: dict[str, str], key: str
) -> None:
    value, wanted = TABLE[key]
    if isinstance(value, Path):
        value = loaded.path.parent / value
    path = key.split(".")
    asked = changed(loaded.units, path, value) if path[0] in PLANNED else loaded.units
    steps = {name: changed(part, path, value) for name, part in loaded.steps.items()}
    after = digests(asked, steps)
    touched = {name.split("/")[0] for name in before if after.get(name, "") != before[name]}
    assert touched == wanted


@pytest.mark.parametrize("mosaic", [False, True])
def test_probabilities_leave_the_maps(loaded: Config, before: dict[str, str], mosaic: bool) -> None:
    """Tasks that write them or read them have other products or inputs; no other one has."""
    made = graph.build(recipe.land_cover(True, mosaic), units.plan(loaded.units))
    after = {name: found.digest for name, found in ledger.fingerprints(made, loaded.steps).items()}
    touched = {name.split("/")[0] for name in before if after[name] != before[name]}
    assert touched == ({"tile_maps", "mosaic"} if mosaic else {"tile_maps"})


def test_the_table_has_every_key() -> None:
    known: set[str] = set()
    for section, keys in config.supported().items():
        prefix = section.partition(".")[2]
        known |= {f"{prefix}.{key}" if prefix else key for key in keys}
    aliases = {
        f"{CHOSEN}.{field.alias}": f"{CHOSEN}.{name}"
        for name, field in SampleSelection.model_fields.items()
        if field.alias
    }
    assert {aliases.get(key, key) for key in known - {DEEP, SOLVER, CHOSEN}} == set(TABLE)
