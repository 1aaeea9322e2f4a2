"""Which steps are done again when a key of the configuration changes: the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from conftest import tiny
from pydantic import BaseModel

from i2lc.chain import graph, plan, recipe, units
from i2lc.chain.recipe import Asked
from i2lc.chain.records import ledger
from i2lc.chain.settings import config, kinds, sections
from i2lc.chain.settings.config import Config
from i2lc.steps.contract import Settings

NONE: set[str] = set()
CHECK = {"check_inputs"}
MAPS = {"classification", "tile_maps", "mosaic", "confusion", "report"}
LEARNING = {"training", "model_choice", *MAPS}
FEATURES = {"samples", "merge_samples", *LEARNING}
CHOICE = {"selection", "class_statistics", *FEATURES}
SPLIT = {"polygons", *CHOICE}
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
    "builders_class_name": (("I2Classification", "I2FeaturesMap"), NONE),  # it adds steps
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
    "features_from_raw_dates": (True, CHECK | {"envelopes"} | FEATURES),
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
    f"{CHOSEN}.sampler": ("periodic", CHOICE),
    f"{CHOSEN}.strategy": ("smallest", CHOICE),
    f"{CHOSEN}.percent": (0.5, CHOICE),
    f"{CHOSEN}.constant_nb": (5, CHOICE),
    f"{CHOSEN}.total": (50, CHOICE),
    f"{CHOSEN}.byclass": (Path("/counts.csv"), CHECK | CHOICE),
    f"{CHOSEN}.jitter": (3, CHOICE),
    # learning
    f"{DEEP}.dl_name": ("Other", LEARNING),
    f"{DEEP}.dl_parameters": ({"hidden": [9]}, LEARNING),
    f"{DEEP}.model_selection_criterion": ("kappa", LEARNING),
    f"{DEEP}.epochs": (5, LEARNING),
    f"{DEEP}.weighted_labels": (True, LEARNING),
    f"{DEEP}.num_workers": (7, NONE),
    f"{DEEP}.torch_threads": (2, LEARNING),
    f"{DEEP}.dl_module": (None, NONE),  # its content counts, see test_training_sets
    f"{DEEP}.restart_from_checkpoint": (False, NONE),
    f"{DEEP}.dataloader_mode": ("full", LEARNING),
    f"{DEEP}.enable_early_stop": (True, LEARNING),
    f"{DEEP}.epoch_to_trigger": (2, LEARNING),
    f"{DEEP}.early_stop_patience": (3, LEARNING),
    f"{DEEP}.early_stop_tol": (0.1, LEARNING),
    f"{DEEP}.early_stop_metric": ("oa", LEARNING),
    f"{DEEP}.additional_statistics_percentage": (0.5, LEARNING),
    f"{DEEP}.adaptive_lr": ({"patience": 3}, LEARNING),
    f"{DEEP}.optimizer": ("SGD", LEARNING),
    f"{DEEP}.one_cycle": (True, LEARNING),
    f"{DEEP}.loss": ("focal", LEARNING),
    f"{DEEP}.focal_gamma": (1.0, LEARNING),
    f"{DEEP}.label_smoothing": (0.1, LEARNING),
    f"{DEEP}.mixed_precision": (True, LEARNING),
    f"{SOLVER}.weight_decay": ((0.01,), LEARNING),
    f"{SOLVER}.batch_size": ((77,), LEARNING),
    f"{SOLVER}.learning_rate": ((0.002,), LEARNING),
    # classification
    "calibrate": (True, MAPS),
    "inference_precision": ("bfloat16", MAPS),
    # final rasters
    "compression_algorithm": ("DEFLATE", {"mosaic", "validity"}),
}
"""Key -> another value, and the steps of a plain run that are done again."""

FOLDED = {"proof", "fold_report"}
TAUGHT = {"augmentation", *LEARNING, *FOLDED}
SAMPLED = {"merge_samples", *TAUGHT}
PLACED = {"polygons", "selection", "class_statistics", "samples", *SAMPLED}
PER_MODEL = f"{CHOSEN}.per_model"
AUGMENTED = "sample_augmentation"
FULL_TABLE: dict[str, tuple[Any, set[str]]] = {
    # regions
    "region_path": (Path("/elsewhere.shp"), CHECK | {"region_maps"} | PLACED),
    "region_field": ("other", CHECK | {"region_maps"} | PLACED),
    "mode_outside_regionsplit": (9.0, CHECK | {"region_maps"} | PLACED),
    "classif_mode": ("separate", CHECK | {"region_maps"} | PLACED),
    "no_label_management": (
        "learningPriority",
        {"classification", "tile_maps", "mosaic", "confusion", "report", "fold_report"},
    ),
    # folds: their files may hold other classes
    "folds.by": ("polygon", CHECK | {"validity"} | PLACED),
    "folds.k": (3, CHECK | {"validity"} | PLACED),
    "folds.block_size": (700.0, CHECK | {"validity"} | PLACED),
    "folds.buffer": (40.0, CHECK | {"validity"} | PLACED),
    "folds.field": ("farm", CHECK | {"validity"} | PLACED),
    "folds.test_vectors": ((Path("/elsewhere.shp"),), CHECK | {"validity"} | PLACED),
    "folds.output": ("scores", CHECK | FOLDED),
    # samples
    f"{PER_MODEL}.target_model": ("west", CHECK | PLACED - {"polygons"}),
    f"{PER_MODEL}.sampler": ("periodic", PLACED - {"polygons"}),
    f"{PER_MODEL}.strategy": ("smallest", PLACED - {"polygons"}),
    f"{PER_MODEL}.percent": (0.5, PLACED - {"polygons"}),
    f"{PER_MODEL}.constant_nb": (5, PLACED - {"polygons"}),
    f"{PER_MODEL}.total": (50, PLACED - {"polygons"}),
    f"{PER_MODEL}.byclass": (Path("/counts.csv"), CHECK | PLACED - {"polygons"}),
    f"{PER_MODEL}.jitter": (3, PLACED - {"polygons"}),
    "sample_management": (Path("/elsewhere.csv"), CHECK | SAMPLED),
    f"{AUGMENTED}.activate": (False, TAUGHT),
    f"{AUGMENTED}.target_models": (("west",), CHECK | TAUGHT),
    f"{AUGMENTED}.strategy": ("smote", TAUGHT),
    f"{AUGMENTED}.factor": (3.0, TAUGHT),
    f"{AUGMENTED}.neighbors": (3, TAUGHT),
    f"{AUGMENTED}.numbers": ("minNumber", TAUGHT),
    f"{AUGMENTED}.minimum": (50, TAUGHT),
    f"{AUGMENTED}.by_class": (Path("/goals.csv"), CHECK | TAUGHT),
    # what the plain run has no steps for
    "random_seed": (9, CHECK | PLACED),  # it draws the folds
    "ratio": (0.4, CHECK | PLACED),  # and the polygons of the models of a region
    "split_ground_truth": (False, CHECK | PLACED),
    "features": (("NDVI",), PLACED - {"polygons", "selection", "class_statistics"}),
    "proj": ("EPSG:32631", CHECK | PIXELS | PLACED | {"region_maps"}),
    f"{DEEP}.epochs": (5, TAUGHT - {"augmentation", "proof"}),
    "compression_algorithm": ("DEFLATE", {"mosaic", "validity"}),
}
"""The same for keys that count with regions, folds and synthetic samples, in a run with them."""


FOREST = {"scikit_training", *MAPS}
SCIKIT_TABLE: dict[str, tuple[Any, set[str]]] = {
    "model_type": ("ExtraTreesClassifier", FOREST),
    "standardization": (True, FOREST),
    "cross_validation_parameters": ({"max_depth": [3]}, FOREST),
    "cross_validation_grouped": (True, FOREST),
    "cross_validation_folds": (3, FOREST),
    "estimator_keywords": ({"n_estimators": 7}, FOREST),
    # what the run of networks has too
    "random_seed": (9, SPLIT - LEARNING | FOREST),
    f"{DEEP}.epochs": (5, NONE),
}
"""The same for an estimator of scikit-learn in place of networks."""


TRIED = {"check_external"}
MAPPED = {"features_map", "features_mosaic"}
CALLED = {*TRIED, *FEATURES, *MAPPED}
OWNED = {"envelopes", "validity", *SPLIT, *CALLED}
EXTERNAL = "external_features"
EXTERNAL_TABLE: dict[str, tuple[Any, set[str]]] = {
    f"{EXTERNAL}.module": ((Path("/elsewhere/other.py"),), CALLED),
    f"{EXTERNAL}.functions": ("get_soi_s2", CALLED),
    f"{EXTERNAL}.concat_mode": (False, CALLED),
    f"{EXTERNAL}.padding": (3, OWNED),
    f"{EXTERNAL}.exogeneous_data": (Path("/elsewhere.tif"), CALLED),
    f"{EXTERNAL}.scale": ({"mine": 10.0}, CALLED),
    f"{EXTERNAL}.external_features_flag": (True, NONE),
    "padding_size_x": (3, OWNED),
    "padding_size_y": (3, OWNED),
    "fill_missing_dates": (True, CALLED),
    # of the features map alone; its name and format are those of other files
    f"{EXTERNAL}.no_data_value": (-1.0, MAPPED),
    f"{EXTERNAL}.output_type": ("int16", MAPPED),
    f"{EXTERNAL}.output_name": ("other", NONE),
    f"{EXTERNAL}.output_format": ("zarr", NONE),
    f"{EXTERNAL}.output_per_tile": (True, NONE),
    "compression_algorithm": ("DEFLATE", {"mosaic", "validity", "features_mosaic"}),
    # what the plain run has too
    "s2_path": (Path("moved"), CHECK | PIXELS | CALLED),
    "keep_bands": (("B2", "B3", "B4", "B8", "B11"), PIXELS | CALLED),
    "features": (("NDVI",), CALLED),
    "temporal_resolution": (7, CHECK | {"envelopes"} | CALLED),
    "number_of_chunks": (5, FEATURES | MAPPED),
    "random_seed": (9, SPLIT),
    f"{DEEP}.epochs": (5, LEARNING),
}
"""The same for functions of the user's and a features map, in a run with both."""


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
    return digests(loaded, loaded.units, loaded.steps)


MORE_OF_CHAIN = """chain :
{
 region_path : "regions.gpkg"
 mode_outside_regionsplit : 0.02
 folds : { by : "block", k : 2, block_size : 300, buffer : 20 }
"""
MORE_OF_TRAINING = """arg_train :
{
 sample_management : "copies.csv"
 sample_augmentation : { activate : True, strategy : "jitter", "samples.strategy" : "balance" }
"""
MORE_OF_CLASSIFICATION = """arg_classification :
{
 classif_mode : "fusion"
"""


@pytest.fixture(scope="module")
def full(landscape: Path) -> Config:
    """Configuration with regions, folds, choices for one model and synthetic samples."""
    truth = gpd.read_file(landscape.parent / "ground_truth.shp").to_crs("EPSG:2154")
    west, south, east, north = truth.total_bounds
    middle = (west + east) / 2
    halves = [shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)]
    table = gpd.GeoDataFrame({"region": ["west", "east"]}, geometry=halves, crs="EPSG:2154")
    table.to_file(landscape.parent / "regions.gpkg")
    (landscape.parent / "copies.csv").write_text("source_model,dest_model,class,quantity\n")
    text = landscape.read_text()
    for more in (MORE_OF_CHAIN, MORE_OF_TRAINING, MORE_OF_CLASSIFICATION):
        head = "\n".join(more.splitlines()[:2]) + "\n"
        assert text.count(head) == 1
        text = text.replace(head, more)
    assert text.count('"strategy" : "all"') == 1
    text = text.replace(
        '"strategy" : "all"', '"strategy" : "all"\n "per_model" : [{ "target_model" : "east" }]'
    )
    path = landscape.with_name("full.cfg")
    path.write_text(text)
    return config.load(path)


@pytest.fixture(scope="module")
def before_in_full(full: Config) -> dict[str, str]:
    return digests(full, full.units, full.steps)


@pytest.fixture(scope="module")
def scikit(landscape: Path) -> Config:
    """Configuration whose keywords are chosen among some."""
    path = landscape.with_name("scikit.cfg")
    section = """scikit_models_parameters :
{
 model_type : "RandomForestClassifier"
 n_estimators : 5
 cross_validation_parameters : { max_depth : [2, 4] }
}
"""
    text = landscape.read_text()
    assert text.count('dl_name : "MLPClassifier"') == 1
    path.write_text(text.replace('dl_name : "MLPClassifier"', "") + section)
    return config.load(path)


@pytest.fixture(scope="module")
def before_of_scikit(scikit: Config) -> dict[str, str]:
    return digests(scikit, scikit.units, scikit.steps)


FUNCTION = """
def mine(self, gain=%d):
    b8 = gain * self.get_interpolated_Sentinel2_B8()
    return b8, [f"Sentinel2_mine_{day}" for day in self.get_interpolated_dates()["Sentinel2"]]
"""


@pytest.fixture(scope="module")
def external(landscape: Path) -> Config:
    """Configuration with a function of the user's and a features map."""
    path = landscape.with_name("external.cfg")
    path.with_name("mine.py").write_text(FUNCTION % 1)
    sections = """builders : { builders_class_name : ["I2Classification", "I2FeaturesMap"] }
external_features : { module : "mine.py", functions : "mine" }
"""
    path.write_text(landscape.read_text() + sections)
    return config.load(path)


@pytest.fixture(scope="module")
def before_of_external(external: Config) -> dict[str, str]:
    return digests(external, external.units, external.steps)


def digests(made: Config, asked: units.UnitSettings, steps: dict[str, Settings]) -> dict[str, str]:
    """Give the fingerprints of all tasks of a configuration with other settings."""
    built = graph.build(recipe.land_cover(plan.asked(made)), units.plan(asked))
    return {name: found.digest for name, found in ledger.fingerprints(built, steps).items()}


def changed(settings: Any, path: list[str], value: Any) -> Any:
    """Give settings with another value; the same where they do not have the key."""
    if isinstance(settings, tuple):
        return tuple(changed(one, path, value) for one in settings)
    key, *rest = path
    if key not in type(settings).model_fields:
        return settings
    if rest:
        value = changed(getattr(settings, key), rest, value)
    return settings.model_copy(update={key: value})


PLANNED = {"number_of_chunks", "runs", "list_tile"}
"""Keys that change the units and can be planned with the landscape."""


def touched(made: Config, before: dict[str, str], key: str, value: Any) -> set[str]:
    """Name the steps that have a task with another fingerprint when a key has another value."""
    if isinstance(value, Path):
        value = made.path.parent / value
    path = key.split(".")
    asked = changed(made.units, path, value) if path[0] in PLANNED else made.units
    after = digests(made, asked, {n: changed(part, path, value) for n, part in made.steps.items()})
    return {name.split("/")[0] for name in before if after.get(name, "") != before[name]}


@pytest.mark.parametrize("key", TABLE)
def test_a_key_redoes_the_steps_that_depend_on_it(
    loaded: Config, before: dict[str, str], key: str
) -> None:
    value, wanted = TABLE[key]
    assert touched(loaded, before, key, value) == wanted


@pytest.mark.parametrize("key", FULL_TABLE)
def test_a_key_redoes_the_steps_of_regions_folds_and_augmentation(
    full: Config, before_in_full: dict[str, str], key: str
) -> None:
    value, wanted = FULL_TABLE[key]
    assert touched(full, before_in_full, key, value) == wanted


@pytest.mark.parametrize("key", SCIKIT_TABLE)
def test_a_key_redoes_the_steps_of_an_estimator(
    scikit: Config, before_of_scikit: dict[str, str], key: str
) -> None:
    value, wanted = SCIKIT_TABLE[key]
    assert touched(scikit, before_of_scikit, key, value) == wanted


@pytest.mark.parametrize("key", EXTERNAL_TABLE)
def test_a_key_redoes_the_steps_of_external_features(
    external: Config, before_of_external: dict[str, str], key: str
) -> None:
    value, wanted = EXTERNAL_TABLE[key]
    assert touched(external, before_of_external, key, value) == wanted


def test_another_text_of_a_module_redoes_what_its_functions_decide(
    external: Config, before_of_external: dict[str, str]
) -> None:
    module = external.path.with_name("mine.py")
    module.write_text(FUNCTION % 2)
    after = digests(external, external.units, external.steps)
    module.write_text(FUNCTION % 1)
    other = {name.split("/")[0] for name in after if after[name] != before_of_external[name]}
    assert other == CALLED
    assert digests(external, external.units, external.steps) == before_of_external


def test_the_full_runs_have_every_step(
    before_in_full: dict[str, str],
    before_of_scikit: dict[str, str],
    before_of_external: dict[str, str],
) -> None:
    every = (*before_in_full, *before_of_scikit, *before_of_external)
    found = {name.split("/")[0] for name in every}
    assert found == {step.name for step in recipe.STEPS}


@pytest.mark.parametrize("mosaic", [False, True])
def test_probabilities_leave_the_maps(loaded: Config, before: dict[str, str], mosaic: bool) -> None:
    """Tasks that write them or read them have other products or inputs; no other one has."""
    asked = Asked(probabilities=True, probability_mosaic=mosaic)
    made = graph.build(recipe.land_cover(asked), units.plan(loaded.units))
    after = {name: found.digest for name, found in ledger.fingerprints(made, loaded.steps).items()}
    found = {name.split("/")[0] for name in before if after[name] != before[name]}
    assert found == ({"tile_maps", "mosaic"} if mosaic else {"tile_maps"})


def leaves(models: list[type[BaseModel]]) -> Iterator[str]:
    """Yield every key that holds a value, nested ones with dots, by the names of fields."""
    for model in models:
        for name, info in model.model_fields.items():
            inner = [found for found in (kinds.nested(info), kinds.item(info)) if found]
            if inner:
                yield from (f"{name}.{key}" for key in leaves(inner))
            if not inner:
                yield name


def test_the_table_has_every_key() -> None:
    assert set(leaves([*sections.MODELS])) == {*TABLE, *FULL_TABLE, *SCIKIT_TABLE, *EXTERNAL_TABLE}
