"""Recorded noise, babble, rooms, cuts and RawBoost's algorithms: levels and places, not only shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earwitness.augment.rawboost import RawBoost
from earwitness.augment.recorded import Babble, RecordedNoise, RecordedRoom, SimulatedRoom, in_room
from earwitness.augment.signals import rms
from earwitness.augment.silence import Splice

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from lab_files import write_wav

    place = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for number in range(3):
        write_wav(place / f"{number}.wav", 0.1 * rng.standard_normal(20_000))
    return place


def clip() -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize("kind", [RecordedNoise, Babble])
@pytest.mark.parametrize("snr", [5.0, 20.0])
def test_noise_has_the_drawn_level(kind: type, snr: float, folder: Path) -> None:
    out = kind(folder=str(folder), snr_db=(snr, snr))(clip(), np.random.default_rng(1))
    assert 20 * np.log10(rms(clip()) / rms(out - clip())) == pytest.approx(snr, abs=0.1)


def test_a_room_keeps_level_and_place(folder: Path) -> None:
    click = np.zeros(RATE, dtype=np.float32)
    click[5000] = 1.0
    response = np.zeros(2000, dtype=np.float32)
    response[120], response[900] = 1.0, 0.5
    out = in_room(click, response)
    assert int(np.argmax(np.abs(out))) == 5000
    assert out[5780] == pytest.approx(0.5 * out[5000], rel=1e-4)
    assert rms(out) == pytest.approx(rms(click), rel=1e-4)
    assert rms(RecordedRoom(str(folder))(clip(), np.random.default_rng(0))) == pytest.approx(rms(clip()), rel=1e-3)


def test_simulated_rooms_echo_for_the_drawn_time() -> None:
    pytest.importorskip("pyroomacoustics", reason="simulated rooms need it")
    click = np.zeros(RATE, dtype=np.float32)
    click[2000] = 1.0

    def late(rt60: float) -> float:
        out = SimulatedRoom(rt60=(rt60, rt60))(click, np.random.default_rng(3))
        return float(np.square(out[3600:]).sum() / np.square(out).sum())

    assert late(0.15) < 0.1 * late(0.6)


def test_a_splice_moves_pieces_and_makes_no_click() -> None:
    ramp = np.linspace(-0.5, 0.5, RATE).astype(np.float32)
    out = Splice((3, 3))(ramp, np.random.default_rng(2))
    assert not np.array_equal(out, ramp)
    # the fades shorten the clip, and its beginning fills what is missing at the end
    assert np.abs(np.diff(out[:-200])).max() < 0.05
    hard = Splice((3, 3), fade=0.0)(ramp, np.random.default_rng(2))
    np.testing.assert_array_equal(np.sort(hard), ramp)


def test_rawboost_has_eight_algorithms() -> None:
    outs = [RawBoost(algorithm=n)(clip(), np.random.default_rng(4)) for n in range(1, 9)]
    for place, out in enumerate(outs):
        assert rms(out) == pytest.approx(rms(clip()), rel=1e-3)
        for other in outs[:place]:
            assert not np.array_equal(out, other)
