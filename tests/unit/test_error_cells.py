"""Which measured error rate is quoted for a recording."""

from __future__ import annotations

import math
from typing import Any

import pytest

from earwitness.error_cells import AXES, cell_of, codec_family, distance, nearest, quote

HERE = {"speech_seconds": "2-5", "bandwidth_khz": "8", "snr_db": ">20", "codec": "lossless"}
QUALITY = {"speech_seconds": 3.0, "bandwidth_hz": 8000.0, "snr_db": 30.0}


def row(n: int = 100, m: int = 100, **change: str) -> dict[str, Any]:
    return {
        "cell": {**HERE, **change},
        "bonafide": n,
        "spoof": m,
        "false_alarm": 0.02,
        "miss": 0.1,
        "intervals": {"false_alarm": [0.01, 0.07]},
    }


@pytest.mark.parametrize(
    ("quality", "axis", "value"),
    [
        ({"speech_seconds": 1.99}, "speech_seconds", "<2"),
        ({"speech_seconds": 2.5}, "speech_seconds", "2-5"),
        ({"speech_seconds": 5.1}, "speech_seconds", ">5"),
        ({"bandwidth_hz": 3400}, "bandwidth_khz", "<=4"),
        ({"bandwidth_hz": 4000}, "bandwidth_khz", "<=4"),
        ({"bandwidth_hz": 7000}, "bandwidth_khz", "<=7"),
        ({"bandwidth_hz": 7750}, "bandwidth_khz", "8"),
        ({"snr_db": 9.0}, "snr_db", "<10"),
        ({"snr_db": 15.0}, "snr_db", "10-20"),
        ({"snr_db": 20.1}, "snr_db", ">20"),
        ({"snr_db": None}, "snr_db", None),
        ({"snr_db": math.nan}, "snr_db", None),
        ({}, "speech_seconds", None),
    ],
)
def test_the_cell_of_a_recording(quality: dict[str, Any], axis: str, value: str | None) -> None:
    assert cell_of(quality, "flac")[axis] == value


@pytest.mark.parametrize(
    ("codec", "family"),
    [
        ("pcm_s24le", "lossless"),
        ("flac", "lossless"),
        ("alac", "lossless"),
        ("wmalossless", "lossless"),
        ("pcm_alaw", "telephone"),
        ("amr_nb", "telephone"),
        ("amrwb", "telephone"),
        ("adpcm_g726", "telephone"),
        ("g729", "telephone"),
        ("gsm_ms", "telephone"),
        ("mp3", "mp3/aac"),
        ("mp3float", "mp3/aac"),
        ("aac_latm", "mp3/aac"),
        ("wmav2", "mp3/aac"),
        ("libopus", "opus/vorbis"),
        ("vorbis", "opus/vorbis"),
        ("cook", None),
    ],
)
def test_codec_families(codec: str, family: str | None) -> None:
    assert codec_family(codec) == family


def test_the_exact_cell_is_taken_and_the_sentence_says_no_difference() -> None:
    rows = [row(codec="mp3/aac"), row(), row(snr_db="10-20")]
    assert nearest(rows, HERE) is rows[1]
    said = quote(rows, QUALITY, "flac")
    assert said["cell"] == HERE
    assert said["differs"] == []
    assert said["bonafide"] == 100
    assert "2.0 % of human clips were called synthetic (95 % interval 1.0–7.0)" in said["text"]
    assert "not match" not in said["text"]
    assert "stayed open" not in said["text"]
    undecided = [{**rows[1], "inconclusive_bonafide": 0.25, "inconclusive_spoof": 0.4}]
    assert (
        "Of the human ones 25 %, of the generated ones 40 % stayed open." in quote(undecided, QUALITY, "flac")["text"]
    )


def test_a_cell_with_49_clips_of_a_label_is_passed_over() -> None:
    rows = [row(49, 500), row(500, 49), row(50, 50, snr_db="10-20")]
    said = quote(rows, QUALITY, "flac")
    assert said["cell"] == rows[2]["cell"]
    assert said["differs"] == ["snr_db"]
    assert "SNR (dB) is >20 here" in said["text"]


def test_of_equally_near_cells_the_larger_is_taken() -> None:
    rows = [row(60, 60, speech_seconds="<2"), row(300, 200, speech_seconds=">5")]
    assert nearest(rows, HERE) is rows[1]


def test_far_cells_say_nothing() -> None:
    far = row(speech_seconds="<2", snr_db="<10")
    assert distance(HERE, far["cell"]) == 3
    said = quote([far], QUALITY, "flac")
    assert said["text"] == "No measured rate for audio like this."
    assert said["cell"] is None
    assert said["recording"] == HERE


def test_telephone_is_further_than_another_music_codec() -> None:
    assert distance(HERE, {**HERE, "codec": "telephone"}) == 2
    assert distance(HERE, {**HERE, "codec": "mp3/aac"}) == 1
    assert distance({**HERE, "codec": "telephone"}, {**HERE, "codec": "mp3/aac"}) == 2


def test_a_row_over_everything_is_quoted_only_where_nothing_nearer_is() -> None:
    everything = {**row(500, 500), "cell": dict.fromkeys(AXES, "any")}
    assert nearest([everything, row(snr_db="10-20")], HERE)["cell"]["snr_db"] == "10-20"
    said = quote([everything], QUALITY, "flac")
    assert said["differs"] == list(AXES)
    assert "all clips together" in said["text"]
    assert "not told apart there" in said["text"]


def test_an_unknown_fact_counts_as_a_difference() -> None:
    said = quote([row()], {**QUALITY, "snr_db": None}, "cook")
    assert said["differs"] == ["snr_db", "codec"]
    assert "SNR (dB) is unknown here" in said["text"]
