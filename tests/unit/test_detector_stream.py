"""The stream: which windows are scored, what the recording's score is made of, and how much is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from earwitness.audio.windows import WindowPlan
from earwitness.calibrate import Affine, Calibration
from earwitness.detector_stream import BATCH, SPARE, DetectorStream, Heard, KnownSpeech

SECOND = 16_000
PLAN = WindowPlan(2.0, 1.0, 1.0)
CALIBRATION = Calibration((3.0,), (Affine(2.0, 1.0), Affine(4.0, -1.0)))


class Loudness:
    """A network whose raw score is the mean of the window; remembers what it was asked."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.shapes.append(x.shape)
        return x.mean(axis=1)


class Marked:
    """Speech where samples are above 0, frames coming ``late`` frames behind."""

    def __init__(self, late: int = 0) -> None:
        self.late, self.rest, self.held = late, np.empty(0, np.float32), np.empty((0, 2), np.float32)

    def push(self, block: np.ndarray, /) -> np.ndarray:
        x = np.concatenate([self.rest, block])
        n = x.size // 512
        self.rest = x[n * 512 :]
        voiced = x[: n * 512].reshape(n, 512).mean(1) > 0
        self.held = np.concatenate([self.held, np.stack([voiced, voiced * 0], 1).astype(np.float32)])
        out, self.held = (
            self.held[: max(0, len(self.held) - self.late)],
            self.held[max(0, len(self.held) - self.late) :],
        )
        return out

    def flush(self) -> np.ndarray:
        self.late = 0
        return self.push(np.zeros((-self.rest.size) % 512, np.float32))


def hear(
    samples: np.ndarray, block: int = 4 * SECOND, late: int = 0, **settings: Any
) -> tuple[Heard, Loudness, list[Any]]:
    network = Loudness()
    stream = DetectorStream(network, PLAN, CALIBRATION, "mean", speech=Marked(late), **settings)
    early = [w for at in range(0, samples.size, block) for w in stream.push(samples[at : at + block])]
    return stream.finish(), network, early


def signal(*parts: tuple[float, float]) -> np.ndarray:
    return np.concatenate([np.full(round(s * SECOND), v, dtype=np.float32) for s, v in parts])


def test_windows_without_speech_are_left_out() -> None:
    heard, _, _ = hear(signal((4, 0.5), (10, 0.0), (4, 1.0)))
    assert [w.start for w in heard.windows] == [0, 1, 2, 3, 13, 14, 15, 16]
    assert [round(w.raw, 2) for w in heard.windows] == [0.5, 0.5, 0.5, 0.25, 0.5, 1, 1, 1]
    assert heard.windows[3].speech == pytest.approx(1.0, abs=0.04)


def test_the_score_weighs_windows_by_new_speech_and_is_calibrated_by_all_of_it() -> None:
    heard, _, _ = hear(signal((2, 0.5), (1, 1.0)))
    first, last = heard.windows
    assert first.fresh == first.speech
    assert last.fresh == pytest.approx(heard.speech - first.speech)
    assert last.fresh < last.speech
    assert heard.raw == pytest.approx((first.raw * first.fresh + last.raw * last.fresh) / heard.speech)
    assert heard.speech == pytest.approx(3.0, abs=0.04)
    assert heard.llr == pytest.approx(float(CALIBRATION.apply(heard.raw, heard.speech)))
    assert first.llr == pytest.approx(2 * first.raw + 1)


@pytest.mark.parametrize("block", [777, SECOND, 100 * SECOND])
@pytest.mark.parametrize("late", [0, 16])
def test_blocks_and_a_late_speech_detector_change_nothing(block: int, late: int) -> None:
    rng = np.random.default_rng(3)
    samples = np.repeat(rng.normal(size=200), 1111).astype(np.float32)
    whole, _, _ = hear(samples)
    assert hear(samples, block, late)[0] == whole
    assert len(whole.windows) > 8


def test_a_recording_without_speech_gets_a_score_from_a_few_windows() -> None:
    heard, network, _ = hear(signal((60, -0.5)))
    assert len(heard.windows) == SPARE
    assert heard.raw == pytest.approx(-0.5)
    assert heard.speech == 0
    assert sum(shape[0] for shape in network.shapes) == SPARE


def test_of_windows_with_too_little_speech_those_with_most_are_kept() -> None:
    heard, _, _ = hear(signal((30, -0.5), (0.3, 0.5), (30, -0.5)))
    assert {29.0, 30.0} <= {w.start for w in heard.windows}
    assert [w.start for w in heard.windows] == sorted(w.start for w in heard.windows)


def test_short_recordings() -> None:
    heard, network, _ = hear(signal((0.4, 0.5)))
    assert network.shapes == [(1, SECOND)]  # repeated up to the least length
    assert heard.raw == pytest.approx(0.5)
    assert (heard.windows[0].start, heard.windows[0].end) == (0, 0.4)
    heard, network, _ = hear(signal((1.5, 0.5)))
    assert network.shapes == [(1, 24_064)]  # and else to whole frames of 32 ms


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.29])
def test_below_a_third_of_a_second_there_is_no_score_but_a_reason(seconds: float) -> None:
    heard, network, _ = hear(signal((seconds, 0.5)))
    assert heard.raw is None
    assert heard.llr is None
    assert "at least 0.3 s" in str(heard.reason)
    assert network.shapes == []
    assert hear(signal((0.3, 0.5)))[0].llr is not None


def test_windows_are_scored_in_batches_and_none_is_lost() -> None:
    heard, network, early = hear(signal((43, 0.5)), block=SECOND)
    assert [shape[0] for shape in network.shapes] == [BATCH] * 5 + [2]
    assert len(early) == 40
    assert len(heard.windows) == 42


def test_live_use_gives_each_window_at_once() -> None:
    _, _, early = hear(signal((5, 0.5)), block=SECOND, batch=1)
    assert len(early) >= 3


def test_scores_that_are_not_finite_are_left_out_and_said() -> None:
    class Sometimes(Loudness):
        def __call__(self, x: np.ndarray) -> np.ndarray:
            return np.where(x.mean(axis=1) > 0.9, math.nan, x.mean(axis=1))

    def run(samples: np.ndarray) -> Heard:
        stream = DetectorStream(Sometimes(), PLAN, CALIBRATION, "mean", speech=Marked())
        stream.push(samples)
        return stream.finish()

    heard = run(signal((4, 0.5), (2, 1.0)))
    assert heard.raw == pytest.approx(0.55, abs=0.05)
    assert "1 window" in heard.warnings[0]
    broken = run(signal((4, 1.0)))
    assert broken.llr is None
    assert "no finite score" in str(broken.reason)


def test_memory_does_not_grow_with_duration() -> None:
    stream = DetectorStream(Loudness(), PLAN, CALIBRATION, "mean", speech=Marked())

    def held() -> int:
        arrays = [x for _, x in stream._waiting] + [x for _, _, x in stream._ready] + [x for _, _, x in stream._spare]
        return sum(x.size for x in arrays) + stream._cutter._held.size

    sizes = []
    for _ in range(60):
        stream.push(signal((10, -0.5)))
        sizes.append(held())
    assert max(sizes[10:]) <= max(sizes[:10])
    assert max(sizes) <= (SPARE + BATCH + 12) * PLAN.length


def test_speech_that_is_known_is_taken() -> None:
    frames = np.zeros((125, 2), np.float32)
    frames[:63, 0] = 0.9
    stream = DetectorStream(Loudness(), PLAN, CALIBRATION, "mean", speech=KnownSpeech(frames))
    stream.push(signal((4, 1.0)))
    assert [w.start for w in stream.finish().windows] == [0, 1]
