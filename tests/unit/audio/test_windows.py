"""The windows that a recording is cut into, whole and block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.audio.windows import GRAIN, Cutter, WindowPlan, tile
from earwitness.errors import ConfigError

PLAN = WindowPlan(0.01, 0.004, 0.002)  # 160, 64 and 32 samples


@given(st.integers(1, 2000))
def test_windows_cover_the_recording_and_stay_inside_it(n: int) -> None:
    bounds = PLAN.bounds(n)
    covered = np.zeros(n, dtype=bool)
    for start, end in bounds:
        assert 0 <= start < end <= n
        assert end - start == min(n, PLAN.length)
        covered[start:end] = True
    assert covered.all()
    assert len(set(bounds)) == len(bounds)


@settings(deadline=None)
@given(st.integers(0, 1200), st.lists(st.integers(0, 400), max_size=12), st.sampled_from([16, 64, 160]))
def test_blocks_of_any_size_give_the_windows_of_the_whole(n: int, sizes: list[int], hop: int) -> None:
    plan = WindowPlan(0.01, hop / 16_000, 0.002)
    samples = np.arange(n, dtype=np.float32)
    cutter, found, at = Cutter(plan), [], 0
    for size in [*sizes, n]:
        found += list(cutter.push(samples[at : at + size]))
        at += size
    found += list(cutter.finish())
    assert [(start, start + x.size) for start, x in found] == plan.bounds(n)
    for start, x in found:
        np.testing.assert_array_equal(x, samples[start : start + x.size])


def test_the_cutter_holds_no_more_than_a_window() -> None:
    cutter = Cutter(PLAN)
    for _ in range(50):
        list(cutter.push(np.zeros(1000, dtype=np.float32)))
        assert cutter._held.size <= PLAN.length


def test_a_window_does_not_change_when_its_block_is_reused() -> None:
    cutter, block = Cutter(PLAN), np.ones(160, dtype=np.float32)
    (_, window), *_ = cutter.push(block)
    block[:] = 7
    assert window.max() == 1


def test_one_sample_more_gives_one_more_window_at_the_end() -> None:
    assert PLAN.bounds(159) == [(0, 159)]
    assert PLAN.bounds(160) == [(0, 160)]
    assert PLAN.bounds(161) == [(0, 160), (1, 161)]
    assert PLAN.bounds(0) == []


@given(st.integers(1, 64_000))
def test_short_windows_are_scored_at_whole_grains(n: int) -> None:
    plan = WindowPlan(4.0, 2.0, 1.0)
    length = plan.scored_length(n)
    assert length == plan.minimum if n <= plan.minimum else n <= length < n + GRAIN
    assert length in (plan.minimum, plan.length) or length % GRAIN == 0


def test_tile_repeats_short_samples_only() -> None:
    x = np.arange(3, dtype=np.float32)
    assert tile(x, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert tile(x, 3) is x
    assert tile(x[:0], 3).size == 0


@pytest.mark.parametrize(
    "values", [(0.0, 1.0, 0.5), (4.0, 5.0, 1.0), (4.0, 0.0, 1.0), (1.0, 0.5, 2.0), (90.0, 1.0, 1.0)]
)
def test_a_plan_out_of_range_is_an_error(values: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        WindowPlan(*values)


def test_another_length_keeps_the_share_of_the_hop() -> None:
    plan = WindowPlan(4.0, 2.0, 1.0).resized(0.5)
    assert (plan.seconds, plan.hop, plan.min_seconds) == (0.5, 0.25, 0.5)
