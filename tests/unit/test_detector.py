"""The detector: its folder, its scores, and a recording in every shape it may be handed in."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_detector import INFO, tiny_model, write_tiny

import earwitness
from earwitness.audio import decode
from earwitness.calibrate import Thresholds
from earwitness.detector import Detector, default_folder, load_detector
from earwitness.detector_folder import read_detector, write_detector
from earwitness.errors import AudioError, ConfigError, DetectorError
from earwitness.verdict import Verdict

WINDOW = 64_000


@pytest.fixture(scope="module")
def detector(tiny_detector: Path) -> Detector:
    return load_detector(tiny_detector)


@pytest.fixture(scope="module", params=["tiny", "shipped"])
def any_detector(request: pytest.FixtureRequest) -> Detector:
    """The detector for tests, and the one that ships."""
    if request.param == "tiny":
        return load_detector(request.getfixturevalue("tiny_detector"))
    if not (default_folder() / "detector.json").is_file():
        pytest.skip("no detector ships with this checkout")
    return load_detector()


@pytest.fixture(scope="module")
def speech(spoof_clip: Path) -> np.ndarray:
    """About a minute: a voice that was synthesised by rule, again and again."""
    return np.tile(decode(spoof_clip).samples, 20)


def wav(*channels: np.ndarray) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((len(channels), 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.stack(channels, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def tilt(samples: np.ndarray) -> float:
    """The tiny detector's score, by its definition."""
    x = samples.astype(np.float64)
    return 8 + 2 * np.log((np.mean(np.diff(x) ** 2) + 1e-10) / (np.mean(x**2) + 1e-10))


def test_the_score_is_that_of_the_network_and_the_calibration(detector: Detector, speech: np.ndarray) -> None:
    score = detector.score(speech[:WINDOW])
    assert score.raw == pytest.approx(tilt(speech[:WINDOW]), abs=1e-3)
    assert score.llr == pytest.approx(float(detector.info.calibration.apply(score.raw, score.speech)))
    assert len(score.windows) == 1
    assert score.windows[0].llr == score.llr


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_one_sample_more_or_less_hardly_matters(any_detector: Detector, speech: np.ndarray, windows: int) -> None:
    """Nor a frame of the speech detector more, as encoders pad: a window for it must not count like a whole one."""
    n = windows * any_detector.info.window.length
    for start in (0, 5_000, 11_111):
        at = any_detector.score(speech[start : start + n]).llr
        for other in (n - 1, n + 1, n + 512):
            assert abs(any_detector.score(speech[start : start + other]).llr - at) <= 0.1


def test_a_batch_gives_what_single_windows_give(any_detector: Detector, speech: np.ndarray) -> None:
    windows = np.stack([speech[k : k + WINDOW] for k in range(0, 160_000, 16_000)])
    one_by_one = [any_detector.logits(x[None])[0] for x in windows]
    np.testing.assert_allclose(any_detector.logits(windows), one_by_one, atol=1e-5)


def test_speech_frames_that_are_known_give_the_same(detector: Detector, speech: np.ndarray) -> None:
    frames = detector._speech(speech)
    assert detector.score(speech, speech=frames).llr == pytest.approx(detector.score(speech).llr, abs=1e-6)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((2, 16_000)), "shape"),
        (np.zeros(100), "at least 0.3 s"),
        (np.array([0.0, np.nan] * 8000), "NaN"),
        (np.zeros(0), "at least 0.3 s"),
    ],
)
def test_samples_that_cannot_be_scored_are_an_error(detector: Detector, samples: np.ndarray, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        detector.score(samples)


def test_file_bytes_object_and_decoded_audio_agree(any_detector: Detector, spoof_clip: Path) -> None:
    expected = any_detector.scan(spoof_clip).llr
    assert expected is not None
    with spoof_clip.open("rb") as file:
        for given in (str(spoof_clip), spoof_clip.read_bytes(), file, decode(spoof_clip)):
            assert any_detector.scan(given).llr == pytest.approx(expected, abs=1e-6)


def test_the_same_sound_in_another_lossless_container_scores_the_same(
    any_detector: Detector, spoof_clip: Path, tmp_path: Path
) -> None:
    samples = decode(spoof_clip).samples
    again = tmp_path / "again.wav"
    again.write_bytes(wav(np.round(samples * 32768) / 32767))
    np.testing.assert_allclose(decode(again).samples, samples, atol=1e-7)
    first, second = any_detector.scan(spoof_clip), any_detector.scan(again)
    assert second.llr == pytest.approx(first.llr, abs=1e-5)
    assert [w.llr for w in second.windows] == pytest.approx([w.llr for w in first.windows], abs=1e-5)


def test_blocks_of_a_stream_give_what_the_whole_gives(any_detector: Detector, speech: np.ndarray) -> None:
    whole = any_detector.score(speech)
    stream = any_detector.stream(batch=1)
    for at in range(0, speech.size, 1600):
        stream.push(speech[at : at + 1600])
    heard = stream.finish()
    assert heard.llr == pytest.approx(whole.llr, abs=1e-4)
    assert [w.start for w in heard.windows] == [w.start for w in whole.windows]


def test_channels_that_differ_are_heard_apart(detector: Detector, speech: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    voice = speech[: 10 * 16_000]
    dull = np.convolve(np.roll(voice, 30_000), np.ones(12) / 12, "same").astype(np.float32)
    left, right = detector.scan(wav(dull)), detector.scan(wav(voice))
    assert left.llr is not None
    assert right.llr is not None
    assert right.llr > left.llr + 1
    both = detector.scan(wav(dull, voice))
    assert both.channel == 1
    assert both.llr == pytest.approx(right.llr, abs=1e-3)
    assert any("right" in w and "apart" in w for w in both.warnings)
    swapped = detector.scan(wav(voice, dull))
    assert (swapped.channel, swapped.llr) == (0, pytest.approx(both.llr, abs=1e-4))
    assert detector.scan(wav(voice, np.zeros_like(voice))).channel == 0
    same = detector.scan(wav(voice, voice))
    assert (same.channel, same.llr) == (None, pytest.approx(right.llr, abs=1e-4))
    hiss = (rng.standard_normal(voice.size) * 0.05).astype(np.float32)
    assert detector.scan(wav(hiss, voice)).channel == 1  # hiss scores higher, but does not pass the gate


def test_what_a_verdict_says(detector: Detector, spoof_clip: Path) -> None:
    verdict = detector.scan(spoof_clip)
    assert verdict.path == str(spoof_clip)
    assert verdict.thresholds == Thresholds(-1.0, 1.0)
    assert verdict.probability == pytest.approx(1 / (1 + np.exp(-verdict.llr)))
    sha256, settings = detector.info.sha256, detector.info.settings
    assert verdict.detector == {"id": "tiny-tilt", "version": "0.0.1", "sha256": sha256, "settings": settings}
    assert verdict.version == earwitness.__version__
    assert verdict.source["codec"] == "flac"
    assert verdict.quality["speech_seconds"] > 1
    assert verdict.error_rates["text"] == "No measured rate for audio like this."
    assert Verdict.from_json(verdict.to_json()) == Verdict.from_dict(verdict.to_dict())


def test_priors_and_costs_move_both_limits_and_a_threshold_replaces_them(detector: Detector, spoof_clip: Path) -> None:
    shift = np.log(9)
    for settings in ({"prior": 0.1}, {"cost_false_alarm": 9.0}, {"cost_miss": 1 / 9}):
        limits = detector.scan(spoof_clip, **settings).thresholds
        assert limits is not None
        assert (limits.human, limits.synthetic) == pytest.approx((-1 + shift, 1 + shift))
    assert detector.scan(spoof_clip, threshold=0.3, prior=0.1).thresholds == Thresholds(0.3, 0.3)
    low, high = (detector.scan(spoof_clip, prior=p).probability for p in (0.01, 0.5))
    assert low is not None
    assert high is not None
    assert low < high
    assert detector.scan(spoof_clip, threshold=50.0).label == "likely human"
    assert detector.scan(spoof_clip, threshold=-50.0).label == "likely synthetic"


@pytest.mark.parametrize(
    "settings", [{"prior": 0.0}, {"prior": 1.5}, {"cost_miss": -1.0}, {"threshold": float("nan")}, {"window": 0.0}]
)
def test_settings_out_of_range_are_errors(detector: Detector, spoof_clip: Path, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        detector.scan(spoof_clip, **settings)


def test_another_window_is_used_and_said(detector: Detector, speech: np.ndarray) -> None:
    verdict = detector.scan(wav(speech[: 12 * 16_000]), window=2.0)
    assert {round(w.end - w.start, 6) for w in verdict.windows} == {2.0}
    assert any("calibrated with 4 s" in w for w in verdict.warnings)


def test_error_rates_come_from_the_folder(tmp_path: Path, spoof_clip: Path) -> None:
    row = {
        "cell": {"speech_seconds": "2-5", "bandwidth_khz": "8", "snr_db": "any", "codec": "lossless"},
        "bonafide": 80,
        "spoof": 90,
        "false_alarm": 0.025,
        "miss": 0.2,
    }
    found = load_detector(write_tiny(tmp_path / "d", error_rates=[row]))
    said = found.scan(spoof_clip).error_rates
    assert said["bonafide"] == 80
    assert "80 human and 90 generated" in said["text"]
    assert "not those used here" not in said["text"]
    assert "not those used here" in found.scan(spoof_clip, prior=0.1).error_rates["text"]


def test_too_little_sound_has_no_score_but_a_verdict(detector: Detector, speech: np.ndarray) -> None:
    verdict = detector.scan(wav(speech[8000 : 8000 + 3200]))
    assert (verdict.label, verdict.llr, verdict.probability) == ("inconclusive", None, None)
    assert "0.20 s" in str(verdict.reason)
    short = detector.scan(wav(speech[8000 : 8000 + 8000]), threshold=-50.0)
    assert short.label == "inconclusive"
    assert short.spans == ()
    assert short.llr is not None
    assert "speech" in str(short.reason)


def test_silence_is_inconclusive_and_its_json_is_clean(detector: Detector) -> None:
    verdict = detector.scan(wav(np.zeros(48_000)))
    assert verdict.label == "inconclusive"
    assert json.loads(verdict.to_json())["llr"] is not None


def test_a_list_gives_a_list_and_keeps_errors_in_it(tiny_detector: Path, spoof_clip: Path, tmp_path: Path) -> None:
    one = earwitness.scan(spoof_clip, detector=tiny_detector)
    several = earwitness.scan([spoof_clip, tmp_path / "none.wav"], detector=tiny_detector)
    assert isinstance(one, Verdict)
    assert several[0] == one
    assert several[1].error is not None
    assert several[1].error["code"] == "missing-file"
    with pytest.raises(AudioError):
        earwitness.scan(tmp_path / "none.wav", detector=tiny_detector)


def test_progress_is_told(detector: Detector, speech: np.ndarray) -> None:
    told: list[tuple[float, float | None]] = []
    detector.scan(wav(speech[: 25 * 16_000]), progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [10, 20, 25]


def test_threads_share_a_detector(detector: Detector, spoof_clip: Path) -> None:
    expected, found = detector.scan(spoof_clip).llr, []
    threads = [threading.Thread(target=lambda: found.append(detector.scan(spoof_clip).llr)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == pytest.approx([expected] * 4, abs=1e-6)


def test_pickled_and_saved_copies_score_the_same(detector: Detector, speech: np.ndarray, tmp_path: Path) -> None:
    expected = detector.score(speech).llr
    assert pickle.loads(pickle.dumps(detector)).score(speech).llr == expected
    detector.save(tmp_path / "copy")
    copy = load_detector(tmp_path / "copy")
    assert copy.score(speech).llr == expected
    assert copy.info.name == detector.info.name
    assert copy.info.data["created"] == detector.info.data["created"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["window"].update(hop=1.0),
        lambda d: d.update(pooling="max"),
        lambda d: d["calibration"]["bands"][0].update(offset=0.25),
        lambda d: d["thresholds"].update(human=-1.5),
        lambda d: d.update(spans={"threshold": 9.0}),
    ],
)
def test_a_detector_with_other_settings_has_another_name(tmp_path: Path, change: Callable[[Any], object]) -> None:
    before = Detector.load(write_tiny(tmp_path / "detector")).info
    edit(tmp_path / "detector", change)
    after = Detector.load(tmp_path / "detector").info
    assert after.sha256 == before.sha256
    assert after.settings != before.settings
    edit(tmp_path / "detector", lambda d: d.update(created="2020-01-01T00:00:00+00:00"))
    assert Detector.load(tmp_path / "detector").info.name == after.name, "the date decides nothing"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    place = folder / "detector.json"
    data = json.loads(place.read_text())
    change(data)
    place.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: (f / "detector.json").unlink(), "detector.json is missing"),
        (lambda f: (f / "model.onnx").unlink(), "missing from the detector folder"),
        (lambda f: (f / "MODEL_CARD.md").unlink(), "missing from the detector folder"),
        (lambda f: (f / "model.onnx").write_bytes((f / "model.onnx").read_bytes() + b" "), "changed since"),
        (lambda f: (f / "detector.json").write_text("{"), "JSON"),
        (lambda f: (f / "detector.json").write_text("[]"), "expected an object"),
        (lambda f: edit(f, lambda d: d.update(format=3)), "format is 3"),
        (lambda f: edit(f, lambda d: d.pop("window")), "'window' is missing"),
        (lambda f: edit(f, lambda d: d.pop("calibration")), "'calibration' is missing"),
        (lambda f: edit(f, lambda d: d.update(window={"seconds": 4, "hop": 9, "min_seconds": 1})), "out of range"),
        (lambda f: edit(f, lambda d: d.update(window=4)), "not as it should be"),
        (lambda f: edit(f, lambda d: d.update(pooling="median")), "no pooling named 'median'"),
        (lambda f: edit(f, lambda d: d.update(sample_rate=8000)), "sample_rate is 8000"),
        (lambda f: edit(f, lambda d: d.update(thresholds={"human": 2, "synthetic": 1})), "human not above synthetic"),
        (lambda f: edit(f, lambda d: d["thresholds"].update(human=float("nan"))), "must be finite"),
        (lambda f: edit(f, lambda d: d["calibration"]["bands"][0].update(scale=-1)), "scale not negative"),
        (lambda f: edit(f, lambda d: d["files"].pop("model.onnx")), "'model.onnx' is missing"),
        (lambda f: edit(f, lambda d: d["files"].update({"../x": {"sha256": "0"}})), "not a file of this folder"),
        (lambda f: edit(f, lambda d: d.update(error_rates=[{"cell": {}}])), r"error_rates\[0\]"),
        (
            lambda f: edit(f, lambda d: d.update(error_rates=[{"cell": {}, "bonafide": 1, "spoof": 1, "miss": 9}])),
            "rates",
        ),
    ],
)
def test_a_folder_that_is_not_sound_is_an_error(harm: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "d")
    read_detector(folder)
    harm(folder)
    with pytest.raises(DetectorError, match=words):
        Detector.load(folder)


def test_other_graphs_are_errors(tmp_path: Path) -> None:
    write_detector(tmp_path / "a", INFO, b"no graph", "")
    with pytest.raises(DetectorError, match="onnxruntime cannot load it"):
        load_detector(tmp_path / "a")
    write_detector(tmp_path / "b", INFO, tiny_model(output="score"), "")
    with pytest.raises(DetectorError, match="expected waveform and logit"):
        load_detector(tmp_path / "b")
    with pytest.raises(DetectorError, match="no such detector folder"):
        load_detector(tmp_path / "c")


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DetectorError):
        write_detector(tmp_path / "d", {**INFO, "pooling": "none"}, b"", "")
    assert not (tmp_path / "d").exists()


def test_importing_and_scanning_load_no_torch(tiny_detector: Path, spoof_clip: Path) -> None:
    program = (
        "import sys, earwitness\n"
        "assert not {'torch', 'onnxruntime', 'numpy', 'av'} & set(sys.modules)\n"
        f"v = earwitness.scan({str(spoof_clip)!r}, detector={str(tiny_detector)!r})\n"
        "assert v.llr is not None\n"
        "assert not {'torch', 'scipy', 'sklearn', 'polars', 'matplotlib', 'librosa', 'onnx'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
