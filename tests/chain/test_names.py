"""Old names of iota2, and errors for the names that i2lc does not know."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2lc.chain.settings.names import KNOWN_IOTA2, MOVED, RENAMED, modernise, unknown_key_error
from i2lc.chain.settings.syntax import Document
from i2lc.errors import ConfigError

RUN = Path("run.cfg")


def document(data):
    """A document with one key a line, sections included."""
    positions = {}
    for section, keys in data.items():
        positions[section,] = (len(positions) + 1, 1)
        for key in keys if isinstance(keys, dict) else ():
            positions[section, key] = (len(positions) + 1, 2)
    return Document(RUN, data, positions)


@pytest.mark.parametrize(
    ("old", "new", "warnings"),
    [
        ({"chain": {"output_path": 1}}, {"chain": {"output_path": 1}}, []),
        (
            {"chain": {"outputPath": 1, "ratio": 2}},
            {"chain": {"output_path": 1, "ratio": 2}},
            ["run.cfg, line 2: 'outputPath' is called 'output_path' now"],
        ),
        (
            {"argTrain": {"sampleSelection": {"strategy": "all"}, "runs": 1}},
            {"arg_train": {"sample_selection": {"strategy": "all"}, "runs": 1}},
            [
                "run.cfg, line 1: 'argTrain' is called 'arg_train' now",
                "run.cfg, line 2: 'sampleSelection' is called 'sample_selection' now",
            ],
        ),
        ({"Sentinel_2": {"keep_bands": 1}}, {"sentinel_2": {"keep_bands": 1}}, []),
        ({"sentinel_2": {"keep_bands": 1}}, {"sentinel_2": {"keep_bands": 1}}, []),
        (
            {"Sentinel_2": {"startDate": 1, "temporalResolution": 2}},
            {"sentinel_2": {"start_date": 1, "temporal_resolution": 2}},
            [
                "run.cfg, line 2: 'startDate' is called 'start_date' now",
                "run.cfg, line 3: 'temporalResolution' is called 'temporal_resolution' now",
            ],
        ),
        (
            {"Landsat8": {"endDate": 1}},
            {"Landsat8": {"end_date": 1}},
            ["run.cfg, line 2: 'endDate' is called 'end_date' now"],
        ),
        (
            {"GlobChain": {"proj": 1, "features": 2, "autoDate": 3}, "chain": {"ratio": 4}},
            {
                "chain": {"ratio": 4, "proj": 1},
                "arg_train": {"features": 2},
                "sensors_data_interpolation": {"auto_date": 3},
            },
            [
                "run.cfg, line 2: 'GlobChain.proj' is called 'chain.proj' now",
                "run.cfg, line 3: 'GlobChain.features' is called 'arg_train.features' now",
                "run.cfg, line 4: 'GlobChain.autoDate' is called "
                "'sensors_data_interpolation.auto_date' now",
            ],
        ),
        (
            {"Features": {"number_of_chunks": 5, "module": "f.py"}},
            {
                "external_features": {"module": "f.py"},
                "python_data_managing": {"number_of_chunks": 5},
            },
            [
                "run.cfg, line 1: 'Features' is called 'external_features' now",
                "run.cfg, line 2: 'external_features.number_of_chunks' is called "
                "'python_data_managing.number_of_chunks' now",
            ],
        ),
        # not ours to move: the sections overlap in today's iota2
        ({"chain": {"runs": 1}}, {"chain": {"runs": 1}}, []),
        # a name that is old elsewhere only
        ({"arg_classification": {"outputPath": 1}}, {"arg_classification": {"outputPath": 1}}, []),
        # a section that is none: told later, by its type
        ({"chain": 5, "GlobChain": {"proj": 1}}, {"chain": 5, "GlobChain": {"proj": 1}}, []),
    ],
)
def test_modernise(old, new, warnings):
    before = document(old)
    after, told = modernise(before)
    assert after.data == new
    assert told == warnings
    assert before == document(old), "the document read is not changed"


def test_places_are_those_of_the_file():
    after, _ = modernise(document({"argTrain": {"options": 1}, "GlobChain": {"autoDate": 2}}))
    assert after.positions == {
        ("arg_train",): (1, 1),
        ("arg_train", "otb_classifier_options"): (2, 2),
        ("sensors_data_interpolation",): (4, 2),
        ("sensors_data_interpolation", "auto_date"): (4, 2),
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"chain": {"outputPath": 1, "output_path": 2}},
            "run.cfg, line 2: 'outputPath' and 'output_path' (line 3) mean the same; keep one",
        ),
        (
            {"arg_train": {"runs": 1}, "argTrain": {"runs": 2}},
            "run.cfg, line 3: 'argTrain' and 'arg_train' (line 1) mean the same; keep one",
        ),
        (
            {"Sentinel_2": {}, "sentinel_2": {}},
            "run.cfg, line 1: 'Sentinel_2' and 'sentinel_2' (line 2) mean the same; keep one",
        ),
        (
            {"GlobChain": {"proj": 1}, "chain": {"proj": 1}},
            "run.cfg, line 2: 'GlobChain.proj' and 'chain.proj' (line 4) mean the same; keep one",
        ),
        (
            {"GlobChain": {"autoDate": 1, "auto_date": 1}},
            "run.cfg, line 3: 'GlobChain.auto_date' and 'sensors_data_interpolation.auto_date' "
            "(line 2) mean the same; keep one",
        ),
    ],
)
def test_two_names_of_one_key_are_refused(data, message):
    with pytest.raises(ConfigError) as caught:
        modernise(document(data))
    assert str(caught.value) == message


SUPPORTED = {
    "chain": {"output_path", "list_tile", "ratio", "proj"},
    "arg_train": {"runs", "ratio", "features", "deep_learning_parameters"},
    "arg_train.deep_learning_parameters": {"dl_name", "epochs"},
    "sentinel_2": {"start_date", "end_date"},
    "sensors_data_interpolation": {"auto_date"},
}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            ("chain", "region_path"),
            "chain.region_path is a parameter of iota2 that i2lc does not support yet",
        ),
        (
            ("arg_train", "deep_learning_parameters", "adaptive_lr"),
            "arg_train.deep_learning_parameters.adaptive_lr is a parameter of iota2 that i2lc "
            "does not support yet",
        ),
        (("slurm",), "slurm is a section of iota2 that i2lc does not support yet"),
        (
            ("slurm", "account"),
            "slurm.account is a parameter of iota2 that i2lc does not support yet",
        ),
        (("chain", "ouput_path"), "unknown key chain.ouput_path; did you mean output_path?"),
        (("chain", "OutputPath"), "unknown key chain.OutputPath; did you mean output_path?"),
        (("chain", "runs"), "unknown key chain.runs; it belongs in section arg_train"),
        (
            ("sentinel_2", "ratio"),
            "unknown key sentinel_2.ratio; it belongs in section chain or arg_train",
        ),
        (
            ("arg_train", "epochs"),
            "unknown key arg_train.epochs; it belongs in section "
            "arg_train.deep_learning_parameters",
        ),
        # start_date is near auto_date in letters, but it is a key of another section
        (
            ("sensors_data_interpolation", "start_date"),
            "unknown key sensors_data_interpolation.start_date; it belongs in section sentinel_2",
        ),
        (
            ("chain", "classifier"),
            "unknown key chain.classifier; iota2 has it in section arg_train, i2lc does not "
            "support it yet",
        ),
        (
            ("chain", "zzz"),
            "unknown key chain.zzz; the keys of chain are list_tile, output_path, proj, ratio",
        ),
        (
            ("arg_train", "deep_learning_parameters", "dlname"),
            "unknown key arg_train.deep_learning_parameters.dlname; did you mean dl_name?",
        ),
        (("arg_train", "zzz", "zzz"), "unknown key arg_train.zzz.zzz"),
        (("chian",), "unknown section chian; did you mean chain?"),
        (("chian", "ratio"), "unknown section chian; did you mean chain?"),
        (("Sentinel2",), "unknown section Sentinel2; did you mean sentinel_2?"),
        (
            ("zzz",),
            "unknown section zzz; the sections are arg_train, chain, sensors_data_interpolation, "
            "sentinel_2",
        ),
    ],
)
def test_unknown_keys(path, message):
    error = unknown_key_error(path, Document(RUN, {}, {path: (7, 2)}), SUPPORTED)
    assert isinstance(error, ConfigError)
    assert str(error) == f"run.cfg, line 7: {message}"


def test_every_new_name_is_a_name_of_iota2():
    for section, names in RENAMED.items():
        known = KNOWN_IOTA2[section] if section else KNOWN_IOTA2
        assert set(names.values()) <= set(known), section
        assert not set(names) & set(known), section
    for old, (section, key) in MOVED.items():
        assert key in KNOWN_IOTA2[section], old


OLD = [(section, old) for section, names in RENAMED.items() if section for old in names]


@settings(max_examples=60, deadline=None)
@given(chosen=st.sets(st.sampled_from(OLD)))
def test_modern_names_stay_as_they_are(chosen):
    data = {}
    for section, old in sorted(chosen):
        data.setdefault(section, {})[old] = old
    once, told = modernise(document(data))
    assert len(told) == len(chosen)
    assert modernise(once) == (once, [])
    assert {v for keys in once.data.values() for v in keys.values()} == {old for _, old in chosen}
