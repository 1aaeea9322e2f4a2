"""The names of iota2: old spellings, and what iota2 knows and i2lc does not.

Tables and pure functions; nothing is read here. A section inside another is
written with a dot: `arg_train.deep_learning_parameters`.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ...errors import ConfigError
from .syntax import Document, KeyPath, Place

SENSORS = (
    "sentinel_2",
    "Sentinel_2_S2C",
    "Sentinel_2_L3A",
    "Landsat8",
    "Landsat8_old",
    "Landsat5_old",
)
SENSOR_SECTIONS = (*SENSORS, *(name.lower() for name in SENSORS))

SENSOR_RENAMED = {
    "startDate": "start_date",
    "endDate": "end_date",
    "temporalResolution": "temporal_resolution",
    "keepBands": "keep_bands",
    "additionalFeatures": "additional_features",
}

# Two spellings that are both of today: accepted without a word.
SAME_SECTION = {"Sentinel_2": "sentinel_2"}

# Old name -> name of today; "" holds the sections, any other entry a section's keys,
# under the section's name of today.
RENAMED: dict[str, dict[str, str]] = {
    "": {
        "argTrain": "arg_train",
        "argClassification": "arg_classification",
        "iota2FeatureExtraction": "iota2_feature_extraction",
        "Features": "external_features",
        "Simplification": "simplification",
    },
    "chain": {
        "outputPath": "output_path",
        "remove_outputPath": "remove_output_path",
        "nomenclaturePath": "nomenclature_path",
        "listTile": "list_tile",
        "S2Path": "s2_path",
        "S2_output_path": "s2_output_path",
        "S2_S2C_Path": "s2_s2c_path",
        "S2_L3A_Path": "s2_l3a_path",
        "L8Path": "l8_path",
        "L8Path_old": "l8_path_old",
        "L5Path_old": "l5_path_old",
        "S1Path": "s1_path",
        "userFeatPath": "user_feat_path",
        "groundTruth": "ground_truth",
        "dataField": "data_field",
        "regionPath": "region_path",
        "regionField": "region_field",
        "colorTable": "color_table",
        "spatialResolution": "spatial_resolution",
        "firstStep": "first_step",
        "lastStep": "last_step",
        "splitGroundTruth": "split_ground_truth",
        "logFileLevel": "logger_level",
    },
    "arg_train": {
        "sampleSelection": "sample_selection",
        "sampleAugmentation": "sample_augmentation",
        "sampleManagement": "sample_management",
        "splitGroundTruth": "split_ground_truth",
        "options": "otb_classifier_options",
    },
    "arg_classification": {
        "classifMode": "classif_mode",
        "noLabelManagement": "no_label_management",
        "fusionOptions": "fusion_options",
    },
    "sensors_data_interpolation": {
        "autoDate": "auto_date",
        "writeOutputs": "write_outputs",
        "useGapFilling": "use_gapfilling",
        "useAdditionalFeatures": "use_additional_features",
    },
    "iota2_feature_extraction": {
        "copyinput": "copy_input",
        "relrefl": "rel_refl",
        "keepduplicates": "keep_duplicates",
        "extractBands": "extract_bands",
        "acorfeat": "acor_feat",
    },
    **dict.fromkeys(SENSOR_SECTIONS, SENSOR_RENAMED),
}

# Keys that stand in another section today, by the section's name of today.
MOVED: dict[KeyPath, KeyPath] = {
    ("GlobChain", "proj"): ("chain", "proj"),
    ("GlobChain", "features"): ("arg_train", "features"),
    **{
        ("GlobChain", name): ("sensors_data_interpolation", new)
        for old, new in RENAMED["sensors_data_interpolation"].items()
        for name in (old, new)
    },
    **{
        ("external_features", key): ("python_data_managing", key)
        for key in ("chunk_size_mode", "number_of_chunks", "chunk_size_x", "chunk_size_y")
    },
}

SENSOR_KEYS = frozenset(
    (*SENSOR_RENAMED.values(), "write_reproject_resampled_input_dates_stack"),
)

# Every section of iota2 and its keys, under the names of today.
KNOWN_IOTA2: dict[str, frozenset[str]] = {
    section: frozenset(keys.split())
    for section, keys in {
        "chain": """output_path remove_output_path check_inputs list_tile data_field ground_truth
            nomenclature_path color_table s2_path s2_output_path s2_s2c_path s2_s2c_output_path
            s2_l3a_path s2_l3a_output_path l8_path l8_output_path l8_path_old l8_old_output_path
            l5_path_old l5_old_output_path l8_usgs_optical_path l8_usgs_thermal_path
            l8_usgs_infrared_path s1_path user_feat_path region_path region_field
            spatial_resolution proj first_step last_step cloud_threshold mode_outside_regionsplit
            split_ground_truth ratio remove_tmp_files output_statistics
            compression_algorithm logger_level minimum_required_dates
            force_standard_labels jobsPath enableConsole enableCrossValidation enable_autoContext
            autoContext_iterations merge_final_classifications merge_final_classifications_method
            merge_final_classifications_undecidedlabel merge_final_classifications_ratio
            dempstershafer_mob keep_runs_results
            fusion_of_classification_all_samples_validation""",
        "builders": "builders_class_name builders_paths",
        "arg_train": """runs random_seed ratio split_ground_truth classifier
            otb_classifier_options features features_from_raw_dates sample_selection
            sample_augmentation sample_management dempster_shafer_sar_opt_fusion crop_mix
            samples_classif_mix annual_crop a_crop_label_replacement prev_features
            output_prev_features annual_classes_extraction_source validity_threshold
            force_standard_labels learning_samples_extension sampling_validation
            sample_validation deep_learning_parameters""",
        "arg_train.sample_selection": "per_model",
        "arg_train.deep_learning_parameters": """dl_name dl_parameters dl_module
            model_selection_criterion epochs weighted_labels num_workers hyperparameters_solver
            restart_from_checkpoint dataloader_mode enable_early_stop epoch_to_trigger
            early_stop_patience early_stop_tol early_stop_metric
            additional_statistics_percentage adaptive_lr""",
        "arg_classification": """classif_mode no_label_management fusion_options
            enable_probability_map generate_final_probability_map enable_boundary_fusion
            boundary_interior_buffer_size boundary_exterior_buffer_size boundary_buffer
            boundary_comparison_mode boundary_fusion_epsilon""",
        "multi_run_fusion": """merge_run merge_run_method merge_run_undecidedlabel merge_run_ratio
            dempstershafer_mob keep_runs_results fusion_of_classification_all_samples_validation""",
        "userFeat": "arbo patterns",
        "sensors_data_interpolation": """auto_date use_gapfilling use_additional_features
            write_outputs""",
        "iota2_feature_extraction": "copy_input rel_refl keep_duplicates extract_bands acor_feat",
        "dim_red": "dim_red target_dimension reduction_mode",
        "external_features": """module functions concat_mode output_name external_features_flag
            exogeneous_data no_data_value""",
        "python_data_managing": """chunk_size_mode number_of_chunks chunk_size_x chunk_size_y
            padding_size_x padding_size_y data_mode_access fill_missing_dates
            max_nn_inference_size""",
        "scikit_models_parameters": """model_type standardization cross_validation_parameters
            cross_validation_grouped cross_validation_folds""",
        "task_retry_limits": "allowed_retry maximum_ram maximum_cpu",
        "slurm": "account",
        "pretrained_model": "module function model mode",
        "coregistration": """VHRPath dateVHR dateSrc bandRef bandSrc resample step minstep
            minsiftpoints iterate prec mode pattern""",
        "obia": "obia_segmentation_path buffer_size stats_used region_priority",
        "simplification": """classification confidence validity seed umc1 umc2 inland rssize
            gridsize douglas hermite mmu angle clipfile clipfield clipvalue outprefix lcfield
            blocksize dozip chunk nomenclature statslist lib64bit grasslib bingdal""",
    }.items()
} | dict.fromkeys(SENSOR_SECTIONS, SENSOR_KEYS)


@dataclass(frozen=True)
class _Rename:
    """One key of a document that gets another path."""

    old: KeyPath
    new: KeyPath
    told: tuple[str, str] | None
    """Old and new name for the warning; None where both spellings are good."""


def modernise(document: Document) -> tuple[Document, list[str]]:
    """Replace the old names of iota2 by those of today.

    Parameters
    ----------
    document : Document
        As it was read; it is not changed.

    Returns
    -------
    document : Document
        With the names of today; each key keeps the place where it stands in the file.
    warnings : list of str
        One for each old name, in the order of the file:
        `FILE, line L: 'outputPath' is called 'output_path' now`.

    Raises
    ------
    ConfigError
        The old and the new name of one key are both there.
    """
    told: list[tuple[Place, str]] = []
    for find in (_old_sections, _old_keys, _moved_keys):
        for rename in list(find(document)):
            if rename.told:
                old, new = rename.told
                warning = f"{document.where(rename.old)}: '{old}' is called '{new}' now"
                told.append((document.positions[rename.old], warning))
            document = _renamed(document, rename)
    return document, [warning for _, warning in sorted(told)]


def _old_sections(document: Document) -> Iterator[_Rename]:
    for section in document.data:
        if section in RENAMED[""]:
            new = RENAMED[""][section]
            yield _Rename((section,), (new,), (section, new))
        elif section in SAME_SECTION:
            yield _Rename((section,), (SAME_SECTION[section],), None)


def _old_keys(document: Document) -> Iterator[_Rename]:
    for section, value in document.data.items():
        names = RENAMED.get(section, {}) if section else {}
        for key in value if isinstance(value, dict) else ():
            if key in names:
                yield _Rename((section, key), (section, names[key]), (key, names[key]))


def _moved_keys(document: Document) -> Iterator[_Rename]:
    for old, new in MOVED.items():
        section, target = document.data.get(old[0]), document.data.get(new[0], {})
        if isinstance(section, dict) and old[1] in section and isinstance(target, dict):
            yield _Rename(old, new, (".".join(old), ".".join(new)))


def _renamed(document: Document, rename: _Rename) -> Document:
    """Give the document with one key under its new path."""
    _refuse_both(document, rename)
    data = copy.deepcopy(document.data)
    *parents, key = rename.old
    source = data[parents[0]] if parents else data
    value = source.pop(key)
    *parents, key = rename.new
    target = data.setdefault(parents[0], {}) if parents else data
    target[key] = value
    if not source:
        del data[rename.old[0]]
    return Document(document.path, data, _renamed_positions(document, rename, bool(source)))


def _renamed_positions(document: Document, rename: _Rename, stays: bool) -> dict[KeyPath, Place]:
    """Give the places under the new path; `stays` tells whether the old section does."""
    length = len(rename.old)
    positions = {
        rename.new + path[length:] if path[:length] == rename.old else path: place
        for path, place in document.positions.items()
        if stays or path != rename.old[:1]
    }
    positions.setdefault(rename.new[:1], document.positions[rename.old])
    return positions


def _refuse_both(document: Document, rename: _Rename) -> None:
    """Raise when the new path is there already."""
    other = document.positions.get(rename.new)
    if other is None:
        return
    old, new = rename.told or (rename.old[-1], rename.new[-1])
    raise ConfigError(
        f"{document.where(rename.old)}: '{old}' and '{new}' (line {other[0]}) mean the same; "
        "keep one"
    )


def unknown_key_error(
    path: Iterable[str | int], document: Document, supported: Mapping[str, Collection[str]]
) -> ConfigError:
    """Make the error for a key, or a section, that i2lc has no use for.

    Parameters
    ----------
    path : iterable of str or int
        Key path, `("chain", "ouput_path")`; a section alone is a path of one.
    document : Document
        Where the key stands, for file and line.
    supported : mapping of str to collection of str
        Keys that i2lc knows, by section; a nested one with a dot,
        `arg_train.deep_learning_parameters`.

    Returns
    -------
    ConfigError
        To be raised: known to iota2 but not yet to i2lc, of another section, or
        unknown, with the nearest known name.
    """
    parts = tuple(str(part) for part in path)
    section = ".".join(part for part in parts[:-1] if not part.isdigit())
    key = parts[-1]
    if section in supported or section in KNOWN_IOTA2 or len(parts) > 2:
        told = _unknown_key(section, key, supported)
    else:
        told = _unknown_section(parts[0], supported)
    return ConfigError(f"{document.where(parts)}: {told}")


def _unknown_section(name: str, supported: Mapping[str, Collection[str]]) -> str:
    if name in KNOWN_IOTA2:
        return f"{name} is a section of iota2 that i2lc does not support yet"
    sections = [section for section in supported if "." not in section]
    return f"unknown section {name}{way_out(name, sections, 'the sections are')}"


def _unknown_key(section: str, key: str, supported: Mapping[str, Collection[str]]) -> str:
    if key in KNOWN_IOTA2.get(section, ()):
        return f"{section}.{key} is a parameter of iota2 that i2lc does not support yet"
    unknown = f"unknown key {section}.{key}"
    if homes := [name for name, keys in supported.items() if key in keys]:
        return f"{unknown}; it belongs in section {' or '.join(homes)}"
    keys = supported.get(section, ())
    if not _nearest(key, keys) and (homes := [n for n, keys in KNOWN_IOTA2.items() if key in keys]):
        return f"{unknown}; iota2 has it in section {homes[0]}, i2lc does not support it yet"
    return f"{unknown}{way_out(key, keys, f'the keys of {section} are')}"


def way_out(name: str, known: Collection[str], otherwise: str) -> str:
    """End the message on an unknown name: the nearest known one, or else all of them."""
    if near := _nearest(name, known):
        return f"; did you mean {near}?"
    return f"; {otherwise} {', '.join(sorted(known))}" if known else ""


def _nearest(name: str, known: Collection[str]) -> str | None:
    spelled = {word.lower(): word for word in sorted(known)}
    near = get_close_matches(name.lower(), spelled, n=1)
    return spelled[near[0]] if near else None
