"""The measurement of streams: the limit is the exact one, the page says what was measured."""

from __future__ import annotations

import csv
import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the exact limit comes from scipy (extra [train])")


@pytest.fixture(scope="module")
def bench(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_stream", root / "bench" / "stream.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_stream"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_measured_figures(bench: ModuleType, root: Path) -> None:
    with (root / "results" / "stream.csv").open(newline="", encoding="utf-8") as file:
        expected = bench.table(list(csv.DictReader(file)))
    page = (root / "docs" / "stream.md").read_text(encoding="utf-8")
    assert page.split(bench.BEGIN)[1].split(bench.END)[0].strip() == expected


@pytest.mark.parametrize(("count", "hours"), [(0, 1.0), (0, 0.385), (1, 2.0), (7, 3.0)])
def test_the_upper_limit_is_exact(bench: ModuleType, count: int, hours: float) -> None:
    """At the limit, so few events have a probability of 5 %."""
    mean = bench.upper_limit(count, hours) * hours
    few = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))
    assert few == pytest.approx(0.05, abs=1e-9)


def test_clips_are_joined_with_tone_that_is_quiet_and_not_silent(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    clips = [np.full(16_000, 0.3, np.float32), np.full(16_000, -0.3, np.float32)]
    joined = bench.joined(clips, rng)
    assert 2 * 16_000 * 1.3 <= joined.size <= 2 * 16_000 * 2.5
    gap = joined[16_100 : 16_100 + 4000]
    assert 1e-5 < gap.std() < 0.01
    again = bench.joined(clips, np.random.default_rng(0))
    np.testing.assert_array_equal(joined, again)
