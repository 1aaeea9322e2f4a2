"""The same bytes, whatever the cut, the workers and the scheduler."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from conftest import digests, run_apart, run_debug, tiny, with_keys

pytestmark = pytest.mark.chain


def layers(root: Path) -> dict[str, list[tuple]]:
    """Read the content of the vector layers."""
    found = {}
    for path in sorted((root / "dataAppVal").glob("*.sqlite")):
        with sqlite3.connect(path) as base:
            rows = base.execute(f'SELECT * FROM "{path.stem.lower()}" ORDER BY ogc_fid').fetchall()
        found[path.name] = rows
    return found


FUNCTIONS = """
external_features :
{
 functions : [["get_spatial_median", { "window" : 5 }], "get_soi_s2"]
 padding : 2
}
"""


@pytest.mark.timeout(900)  # four whole runs
@pytest.mark.parametrize(
    ("options", "tiles", "section"),
    [
        ({"proj": "EPSG:32631"}, (1, 1), ""),
        ({"proj": "EPSG:2154"}, (1, 1), ""),
        ({"proj": "EPSG:2154", "zones": 2}, (2, 1), ""),
        ({"proj": "EPSG:32631"}, (1, 1), FUNCTIONS),
        ({"proj": "EPSG:2154"}, (1, 1), FUNCTIONS),
    ],
    ids=["utm", "lambert", "two zones", "functions in utm", "functions in lambert"],
)
def test_same_bytes_for_any_cut_worker_and_scheduler(
    tmp_path: Path, options: dict, tiles: tuple[int, int], section: str
) -> None:
    config = tiny(tmp_path / "land", tiles=tiles, **options)
    config.write_text(config.read_text() + section)
    found = {}
    for chunks in (1, 3, 17, 50):
        name = f"results_{chunks}"
        changed = with_keys(
            config, f"{name}.cfg", number_of_chunks=str(chunks), output_path=f'"{name}"'
        )
        root = config.parent / name
        if chunks == 17:
            ended = run_apart(
                changed, root, "-scheduler_type", "localCluster", "-nb_parallel_tasks", "2"
            )
            assert ended.status == 0, ended.text
        else:
            assert run_debug(changed, root).status == 0
        found[chunks] = digests(root), layers(root)
    assert len(found[1][0]) > 20
    for chunks in (3, 17, 50):
        assert found[chunks] == found[1], f"{chunks} chunks differ from 1"
