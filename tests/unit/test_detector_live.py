"""Live scans: the verdict at the end is that of a scan, decisions follow the rule, blocks change nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audio_files import wav_bytes

from earwitness.audio import decode
from earwitness.audio.live import PcmAudio
from earwitness.calibrate import Thresholds
from earwitness.detector import Detector, load_detector
from earwitness.detector_live import Decider, Decision, LiveRule, LiveScan, Running
from earwitness.errors import ConfigError

LIMITS = Thresholds(-1.0, 1.0)


@pytest.fixture(scope="module")
def shipped() -> Detector:
    return load_detector(threads=1)


@pytest.fixture(scope="module")
def speech(root: Path) -> np.ndarray:
    """11 s of synthetic voices that ship with the project, as 16-bit integers."""
    clips = [decode(root / "examples" / "clips" / n).samples for n in ("espeak.flac", "griffin-lim.opus", "lpc.mp3")]
    return (np.clip(np.concatenate(clips), -1, 1) * 32767).astype("<i2")


def run(detector: Detector, pcm: np.ndarray, piece: int, rule: LiveRule | None = None, **settings: float) -> tuple:
    audio, live = PcmAudio("pcm16", 16_000), LiveScan(detector, rule, codec="pcm_s16le", **settings)
    data = pcm.tobytes()
    found = [e for at in range(0, len(data), piece) for e in live.push(audio.push(data[at : at + piece]))]
    found += live.push(audio.finish())
    return found, live.finish(audio, path="x")


def test_the_verdict_at_the_end_is_that_of_a_scan(shipped: Detector, speech: np.ndarray) -> None:
    file = shipped.scan(wav_bytes(speech / 32768), path="x", prior=0.1)
    _, verdict = run(shipped, speech, 6400, prior=0.1)
    assert verdict.llr == pytest.approx(file.llr, abs=1e-4)
    # windows are scored in other company, which moves the last bits of a product of matrices
    ours, theirs = ([(w.start, w.end, w.llr) for w in each.windows] for each in (verdict, file))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert (verdict.label, verdict.thresholds, verdict.prior) == (file.label, file.thresholds, 0.1)
    assert verdict.quality["speech_seconds"] == file.quality["speech_seconds"]


def test_pieces_change_nothing(shipped: Detector, speech: np.ndarray) -> None:
    one, _ = run(shipped, speech, 10**9)
    many, _ = run(shipped, speech, 777)
    assert [e.to_dict() for e in one] == [e.to_dict() for e in many]
    assert len(one) >= 3


def test_windows_come_while_the_voice_speaks(shipped: Detector, speech: np.ndarray) -> None:
    found, _ = run(shipped, speech, 3200)
    running = [e for e in found if isinstance(e, Running)]
    plan = shipped.info.window
    assert [r.window.end for r in running] == pytest.approx([plan.seconds + k * plan.hop for k in range(len(running))])
    # a window is scored when the speech detector has heard the half second after it
    assert all(r.window.end <= r.seconds <= r.window.end + 0.75 for r in running)
    assert all(0 <= r.probability <= 1 and r.speech <= r.seconds for r in running)


def test_noise_that_sounds_generated_is_decided_once(tiny_detector: Path, speech: np.ndarray) -> None:
    """The tiny detector calls what hisses generated: here the gate and the rule decide, not a network."""
    detector = load_detector(tiny_detector, threads=1)
    rng = np.random.default_rng(0)
    voice = np.tile(speech, 3).astype(np.float64)
    hiss = np.clip(voice + rng.normal(0, 1500, voice.size), -32768, 32767).astype("<i2")
    rule = LiveRule(speech=4.0, margin=0.0, hold=2)
    found, verdict = run(detector, hiss, 3200, rule)
    decisions = [e for e in found if isinstance(e, Decision)]
    assert [d.label for d in decisions] == ["likely synthetic"]
    assert decisions[0].speech >= 4.0
    assert decisions[0].llr > detector.info.thresholds.synthetic
    assert verdict.label == "likely synthetic"


def test_music_and_silence_decide_nothing(tiny_detector: Path) -> None:
    detector = load_detector(tiny_detector, threads=1)
    rng = np.random.default_rng(0)
    hiss = (3000 * rng.standard_normal(20 * 16_000)).astype("<i2")
    found, verdict = run(detector, hiss, 3200, LiveRule(speech=0.0, margin=0.0, hold=1))
    assert [e for e in found if isinstance(e, Decision)] == []
    assert verdict.label == "inconclusive"


def test_the_running_score_forgets(tiny_detector: Path, speech: np.ndarray) -> None:
    """A generated voice after a long human one is found: the running score looks back a minute, not to the start."""
    detector = load_detector(tiny_detector, threads=1)
    rng = np.random.default_rng(0)
    low = np.tile(speech, 3).astype(np.float64)
    hiss = np.clip(low + rng.normal(0, 3000, low.size), -32768, 32767)
    both = np.concatenate([low, hiss[: 14 * 16_000]]).astype("<i2")
    short, _ = run(detector, both, 32_000, LiveRule(memory=10.0))
    long, _ = run(detector, both, 32_000, LiveRule(memory=1000.0))
    last = [[e for e in found if isinstance(e, Running)][-1].llr for found in (short, long)]
    assert last[0] > last[1] + 1.0


def steps(rule: LiveRule, *scores: float, speech: float = 100.0) -> list[str | None]:
    decider = Decider(rule)
    return [decider.step(llr, speech, LIMITS) for llr in scores]


def test_one_window_beyond_the_limit_is_not_enough() -> None:
    rule = LiveRule(speech=0, margin=0.5, hold=3)
    assert steps(rule, 9, 9, 0, 9, 9) == [None] * 5
    assert steps(rule, 9, 9, 9) == [None, None, "likely synthetic"]
    assert steps(rule, 1.4, 1.4, 1.4) == [None] * 3
    assert steps(rule, -9, -9, -9) == [None, None, "likely human"]


def test_a_decision_stands_until_the_score_returns_to_the_limit() -> None:
    rule = LiveRule(speech=0, margin=0.5, hold=2)
    assert steps(rule, 9, 9, 1.2, 1.2, 0.9, 9, 0.9, 0.9) == [None, "likely synthetic", *[None] * 5, "inconclusive"]
    assert steps(rule, 9, 9, -9, -9) == [None, "likely synthetic", None, "likely human"]


def test_little_speech_and_the_gate_hold_a_decision_back() -> None:
    rule = LiveRule(speech=6, margin=0, hold=1)
    assert steps(rule, 9, 9, speech=5.9) == [None, None]
    decider = Decider(rule)
    assert decider.step(9, 100, LIMITS, "music without enough speech") is None
    assert decider.step(9, 100, LIMITS, None) == "likely synthetic"


@pytest.mark.parametrize("settings", [{"hold": 0}, {"margin": -1}, {"memory": 0}, {"speech": -1}])
def test_rules_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        LiveRule(**settings)


def test_settings_out_of_range_are_found_at_the_start(tiny_detector: Path) -> None:
    with pytest.raises(ConfigError):
        LiveScan(load_detector(tiny_detector, threads=1), prior=2.0)


def test_limits_that_are_wider_for_such_audio_hold_live_as_well(tmp_path: Path, speech: np.ndarray) -> None:
    """A detector that wants more evidence from noisy audio gets it live too, as in a scan."""
    from tiny_detector import INFO, write_tiny

    rows = [{"axis": "snr_db", "value": v, "human": -50.0, "synthetic": 50.0} for v in ("<10", "10-20")]
    write_tiny(tmp_path / "wide", thresholds={**INFO["thresholds"], "wider": rows})
    detector = load_detector(tmp_path / "wide", threads=1)
    voice = np.tile(speech, 2).astype(np.float64)
    noisy = np.clip(voice + np.random.default_rng(0).normal(0, 1500, voice.size), -32768, 32767).astype("<i2")
    found, verdict = run(detector, noisy, 3200, LiveRule(speech=4.0, margin=0.0, hold=2))
    running = [e for e in found if isinstance(e, Running)]
    assert running[-1].llr > INFO["thresholds"]["synthetic"]
    assert running[-1].thresholds == verdict.thresholds == Thresholds(-50.0, 50.0)
    assert [e for e in found if isinstance(e, Decision)] == []
    assert verdict.label == "inconclusive"
