"""Whether a function's values follow from the cut of a tile: on arrays that stand for a tile."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from i2lc.steps.external import locality
from i2lc.steps.external.locality import Verdict

SINGLE = (
    "gives other values for single pixels, which it gets as arrays (1, n, date) where padding is "
    "0: let the value of a pixel follow from that pixel, or set padding"
)
NOT_LOCAL = (
    "depends on where a tile is cut into windows, even with padding {}: it is not local, each "
    "value follows from the whole window, as a mean or an extreme of it does, or sums in float32: "
    "sum in float64"
)


@dataclass
class Tile:
    """What was read of a tile, a plain array (y, x) in place of the data of a function."""

    pixels: np.ndarray
    inner: tuple[slice, slice]
    room: int = 32

    @property
    def shape(self):
        return self.pixels.shape

    def data(self, rows, cols):
        return self.pixels[rows, cols]

    def alone(self, where):
        return self.pixels[where][None]


def noise(rows, cols):
    return np.random.default_rng(1).normal(0.3, 0.1, (rows, cols)).astype(np.float32)


@pytest.fixture
def tile():
    """A window of 60 x 70 pixels, 32 neighbours around it."""
    return Tile(noise(124, 134), (slice(32, 92), slice(32, 102)))


def whole(function, tile, padding):
    """The window computed with its padding."""
    parts = [
        slice(max(s.start - p, 0), s.stop + p) for s, p in zip(tile.inner, padding, strict=True)
    ]
    inside = tuple(
        slice(s.start - p.start, s.stop - p.start) for s, p in zip(tile.inner, parts, strict=True)
    )
    return function(tile.data(*parts))[inside]


def look(function, tile, padding=(0, 0)):
    return locality.look(function, tile, whole(function, tile, padding), padding)


def square(pixels):
    return (pixels**2)[..., None]


def median_of(radius):
    return lambda pixels: ndimage.median_filter(pixels, size=2 * radius + 1)[..., None]


def test_a_function_of_the_pixel_alone_is_right(tile):
    assert look(square, tile) == Verdict()
    assert look(square, tile, (3, 5)) == Verdict()


@pytest.mark.parametrize("radius", [1, 2, 5, 11])
def test_neighbours_within_the_padding_are_right_and_beyond_it_the_padding_is_told(tile, radius):
    assert look(median_of(radius), tile, (radius, radius)) == Verdict()
    for padding in {0, radius - 1}:
        assert look(median_of(radius), tile, (padding, padding)).error == (
            f"depends on where a tile is cut into windows with padding {padding}; padding {radius} "
            "would do"
        )


def test_rows_and_columns_have_a_padding_each(tile):
    def along_columns(pixels):
        return ndimage.median_filter(pixels, size=(1, 7))[..., None]

    assert look(along_columns, tile, (0, 3)) == Verdict()
    assert look(along_columns, tile, (3, 0)).error == (
        "depends on where a tile is cut into windows with padding 3 and 0; padding 3 would do"
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda pixels: (pixels - pixels.mean())[..., None],
        lambda pixels: (pixels / pixels.max(axis=0))[..., None],
        lambda pixels: (pixels - pixels.min(axis=1, keepdims=True))[..., None],
        lambda pixels: np.cumsum(pixels, axis=0)[..., None],
        lambda pixels: np.broadcast_to(np.arange(pixels.shape[1]), pixels.shape)[..., None],
        lambda pixels: np.repeat(pixels[::2], 2, axis=0)[: len(pixels), :, None],
    ],
    ids=["mean", "column", "row", "cumulative", "position", "every_second_row"],
)
def test_what_follows_from_the_whole_window_is_not_local(tile, function):
    assert look(function, tile).error == NOT_LOCAL.format(32)
    assert look(function, tile, (4, 4)).error == NOT_LOCAL.format(32)
    assert look(function, tile, (40, 40)).error == NOT_LOCAL.format(40)


def test_a_padding_with_which_the_values_are_lost_is_not_told(tile):
    """A mean that a gap beside the window comes into is no number: all parts agree on that."""
    tile.pixels[25, 60] = np.nan

    def centred(pixels):
        return (pixels - pixels.mean())[..., None]

    assert look(centred, tile).error == NOT_LOCAL.format(32)


def test_in_a_small_tile_no_padding_is_told_that_makes_a_whole_of_every_part():
    """There the mean of each part with padding 16 is the mean of the tile."""
    tile = Tile(noise(24, 64), (slice(0, 24), slice(0, 64)))

    def centred(pixels):
        return (pixels - pixels.mean())[..., None]

    assert look(centred, tile).error == NOT_LOCAL.format(14)
    assert look(median_of(6), tile).error.endswith("padding 6 would do")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_a_tile_of_few_pixels_has_fewer_parts(shape):
    tile = Tile(noise(*shape), (slice(0, shape[0]), slice(0, shape[1])))
    assert look(square, tile) == Verdict()
    if shape != (1, 1):
        assert look(lambda p: (p - p.mean())[..., None], tile).error.startswith("depends on")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 4))
def test_the_four_parts_are_the_window(rows, cols, padding):
    tile = Tile(noise(rows + 8, cols + 8), (slice(4, 4 + rows), slice(4, 4 + cols)))
    seen = []

    def function(pixels):
        seen.append(pixels.shape)
        return pixels[..., None]

    found = locality.in_parts(function, tile, (padding, padding))
    np.testing.assert_array_equal(found[..., 0], tile.pixels[tile.inner])
    assert len(seen) == 4
    if min(rows, cols) > 8:
        assert len(set(seen)) == 4  # no two parts are alike


def test_a_function_that_looks_beside_a_pixel_fails_for_pixels_alone():
    """Its window is so wide that no part shows it: neighbours in a row of wanted pixels do."""
    tile = Tile(noise(60, 60), (slice(0, 60), slice(0, 60)))

    def by_rows(pixels):
        found = pixels.copy()
        found[:, 5:] += len(pixels) == 1
        return found[..., None]

    assert look(by_rows, tile).error == SINGLE
    assert look(by_rows, tile, (1, 1)) == Verdict()  # with padding it never gets them


@pytest.mark.parametrize("padding", [(0, 0), (1, 1)])
def test_rounding_that_follows_from_the_cut_is_a_warning(tile, padding):
    def jitter(pixels):
        return (pixels * np.float32(1 + 1e-7 * (pixels.shape[1] % 7)))[..., None]

    found = look(jitter, tile, padding)
    assert found.error == ""
    assert re.fullmatch(
        r"is rounded otherwise where a tile is cut elsewhere \(by up to [1-9]e-07 of a value\): "
        "single pixels may differ with another number_of_chunks",
        found.warning,
    )


@pytest.mark.parametrize("padding", [(0, 0), (2, 2)])
def test_a_large_value_hides_no_dependence_of_others(tile, padding):
    """The values are about 0.3: they differ by 3e-4 of themselves, by 1e-9 of the spike."""
    tile.pixels[60, 60] = 1e5

    def scaled(pixels):
        return (pixels * np.float32(1 + 1e-4 * (pixels.shape[1] % 7)))[..., None]

    def at_the_spike(pixels):
        return np.where(pixels > 1e4, pixels, scaled(pixels)[..., 0])[..., None]

    assert look(at_the_spike, tile, padding).error.startswith("depends on where a tile is cut")


def test_rounding_that_no_run_without_padding_meets_is_right(tile):
    """Where rows of pixels agree to the bit, and the window differs from them by rounding."""

    def around_zero(pixels):
        rounding = 0 if len(pixels) == 1 else np.float32(1e-8 * (pixels.shape[1] % 7))
        return (pixels - np.float32(0.3) + rounding)[..., None]

    assert look(around_zero, tile) == Verdict()
    assert look(around_zero, tile, (1, 1)).error.startswith("depends on where a tile is cut")

    def shifted(pixels):
        return (pixels - np.float32(0.3) + np.float32(1e-5) * (len(pixels) == 1))[..., None]

    assert look(shifted, tile).error == SINGLE


def test_differences_that_are_lost_in_a_row_are_found(tile):
    """There is no row above a row: each pixel less itself, in all parts alike."""
    assert look(lambda p: (p - np.roll(p, 1, axis=0))[..., None], tile).error == (
        "depends on where a tile is cut into windows with padding 0; padding 1 would do"
    )


def test_sums_in_float32_are_told_with_their_cure(tile):
    """A mean over 3 x 3 pixels from a table of sums from the window's corner on."""

    def box(pixels, kind):
        beside = np.pad(pixels, 2, mode="edge")[:-1, :-1].astype(kind)
        beside[0] = beside[:, 0] = 0
        sums = beside.cumsum(axis=0).cumsum(axis=1)
        total = sums[3:, 3:] - sums[:-3, 3:] - sums[3:, :-3] + sums[:-3, :-3]
        return (total / 9).astype(np.float32)[..., None]

    tile.pixels *= 100
    assert look(lambda p: box(p, np.float64), tile, (2, 2)).error == ""
    assert look(lambda p: box(p, np.float32), tile, (2, 2)).error == NOT_LOCAL.format(32)


def test_a_gap_in_one_and_a_value_in_the_other_is_no_rounding(tile):
    def gaps(pixels):
        found = pixels.copy()
        found[0, 0] = np.nan
        return found[..., None]

    assert look(gaps, tile).error.startswith("depends on where")
    tile.pixels[40, 40] = np.nan
    tile.pixels[90, 90] = np.inf
    assert look(square, tile) == Verdict()


def test_differences_count_in_shares_of_their_own_value():
    one = np.array([[[1.0, 1000.0], [0.5, 0.0]]], np.float32)
    other = one.copy()
    assert locality.difference(one, other) == 0
    other[0, 0, 1] = 1010
    assert locality.difference(one, other) == pytest.approx(0.01)
    other[0, 1, 0] = 0.45
    assert locality.difference(one, other) == pytest.approx(0.1)
    other[0, 1, 1] = 1e-9
    assert locality.difference(one, other) == np.inf
    assert locality.difference(one, np.full_like(one, np.nan)) == np.inf
    negative = np.float32([[[-1.0]]])
    assert locality.difference(negative, negative * 2) == 1
