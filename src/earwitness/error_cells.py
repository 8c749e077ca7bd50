"""The measured error rate on audio like this: which row of a detector's table speaks for a recording.

``detector.json`` holds rows, each for a *cell*: seconds of speech, bandwidth, signal-to-noise ratio and codec family.
A cell may say ``any`` where the measurement did not tell apart. A verdict quotes the nearest row with at least
:data:`MIN_CLIPS` clips of each label, and says in what the recording differs; if none is near, it says so.

Nearness: one step along an ordered axis costs 1, another codec family 1, telephone against anything else 2, a fact that
is not known or a cell that says ``any`` 1/2. Rows further than :data:`MAX_DISTANCE` say nothing about the recording.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MIN_CLIPS = 50
MAX_DISTANCE = 2.0
ANY = "any"

#: axis -> its values in order
AXES: dict[str, tuple[str, ...]] = {
    "speech_seconds": ("<2", "2-5", ">5"),
    "bandwidth_khz": ("<=4", "<=7", "8"),
    "snr_db": ("<10", "10-20", ">20"),
    "codec": ("lossless", "mp3/aac", "opus/vorbis", "telephone"),
}
WORDS = {
    "speech_seconds": "seconds of speech",
    "bandwidth_khz": "bandwidth (kHz)",
    "snr_db": "SNR (dB)",
    "codec": "codec",
}

_TELEPHONE = (
    "pcm_alaw",
    "pcm_mulaw",
    "amr",
    "gsm",
    "g72",
    "adpcm_g72",
    "g729",
    "ilbc",
    "evrc",
    "qcelp",
    "speex",
    "evs",
)
_LOSSY = ("mp3", "mp2", "mp1", "aac", "wma", "ac3", "eac3", "atrac", "dts")
_LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "ape", "tta", "wmalossless", "mlp", "truehd", "shorten")

Cell = dict[str, str | None]


def codec_family(codec: str) -> str | None:
    """The family of an FFmpeg codec name; None for one in no family.

    Examples
    --------
    >>> [codec_family(c) for c in ("pcm_s16le", "pcm_mulaw", "mp3float", "opus", "amrnb", "cook")]
    ['lossless', 'telephone', 'mp3/aac', 'opus/vorbis', 'telephone', None]
    """
    name = codec.lower().removeprefix("lib")
    if name.startswith(_TELEPHONE):
        return "telephone"
    if name.startswith(_LOSSLESS):
        return "lossless"
    if name.startswith(_LOSSY):
        return "mp3/aac"
    return "opus/vorbis" if name.startswith(("opus", "vorbis")) else None


def cell_of(quality: Mapping[str, Any], codec: str) -> Cell:
    """The cell of a recording from its quality facts (``speech_seconds``, ``bandwidth_hz``, ``snr_db``) and codec name.

    A fact that is missing or not finite gives None on its axis.

    Examples
    --------
    >>> cell_of({"speech_seconds": 3.2, "bandwidth_hz": 3800, "snr_db": None}, "mp3")
    {'speech_seconds': '2-5', 'bandwidth_khz': '<=4', 'snr_db': None, 'codec': 'mp3/aac'}
    """

    def step(key: str, axis: str, limits: tuple[float, float]) -> str | None:
        value = quality.get(key)
        if value is None or not math.isfinite(value):
            return None
        return AXES[axis][sum(float(value) > limit for limit in limits)]

    return {
        "speech_seconds": step("speech_seconds", "speech_seconds", (2.0, 5.0)),
        "bandwidth_khz": step("bandwidth_hz", "bandwidth_khz", (4000.0, 7000.0)),
        "snr_db": step("snr_db", "snr_db", (10.0, 20.0)),
        "codec": codec_family(codec),
    }


def distance(cell: Mapping[str, str | None], row: Mapping[str, str]) -> float:
    """How far the cell of a row is from the cell of a recording; 0 where all four axes agree."""
    total = 0.0
    for axis, values in AXES.items():
        mine, theirs = cell.get(axis), row.get(axis, ANY)
        if theirs == ANY or mine is None or theirs not in values:
            total += 0.5
        elif axis == "codec":
            total += 0.0 if mine == theirs else 2.0 if "telephone" in (mine, theirs) else 1.0
        else:
            total += abs(values.index(mine) - values.index(theirs))
    return total


def nearest(rows: Sequence[Mapping[str, Any]], cell: Mapping[str, str | None]) -> Mapping[str, Any] | None:
    """The row to quote for ``cell``: the nearest with enough clips, of equals the one with most clips; None if none."""
    usable = [
        (distance(cell, row["cell"]), -min(row["bonafide"], row["spoof"]), i)
        for i, row in enumerate(rows)
        if min(row["bonafide"], row["spoof"]) >= MIN_CLIPS
    ]
    best = min(usable, default=None)
    return None if best is None or best[0] > MAX_DISTANCE else rows[best[2]]


def quote(
    rows: Sequence[Mapping[str, Any]], quality: Mapping[str, Any], codec: str, *, own_limits: bool = True
) -> dict[str, Any]:
    """What a verdict says about error rates: the chosen row, in what the recording differs from it, and a sentence.

    Parameters
    ----------
    rows:
        ``error_rates`` of ``detector.json``. ``false_alarm`` is the share of human clips that were called likely
        synthetic, ``miss`` the share of generated clips that were called likely human, at the detector's own limits.
    quality, codec:
        As for :func:`cell_of`.
    own_limits:
        Whether the verdict was made with the limits that the rates were measured at; if not, the sentence says so.

    Examples
    --------
    >>> quote([], {}, "mp3")["text"]
    'No measured rate for audio like this.'
    """
    cell = cell_of(quality, codec)
    row = nearest(rows, cell)
    if row is None:
        return {"text": "No measured rate for audio like this.", "recording": cell, "cell": None, "differs": []}
    differs = [axis for axis in AXES if row["cell"].get(axis, ANY) != cell[axis]]
    kept = {key: row[key] for key in row if key != "cell"}
    text = _sentence(row, cell, differs)
    if not own_limits:
        text += " It was measured at the detector's own limits, which are not those used here."
    out = {"text": text, "recording": cell, "cell": dict(row["cell"]), "differs": differs}
    return {**out, **kept}


def _sentence(row: Mapping[str, Any], cell: Mapping[str, str | None], differs: Sequence[str]) -> str:
    theirs = row["cell"]
    named = [f"{WORDS[a]} {theirs[a]}" for a in AXES if theirs.get(a, ANY) != ANY]
    where = ", ".join(named) if named else "all clips together"
    parts = [f"Measured on {row['bonafide']} human and {row['spoof']} generated clips ({where}):"]
    rates = []
    for key, words in (("false_alarm", "of human clips were called synthetic"), ("miss", "of generated clips human")):
        if row.get(key) is not None:
            rates.append(f"{100 * row[key]:.1f} % {words}{_interval(row, key)}")
    parts.append(" and ".join(rates) + "." if rates else "no rates stated.")
    human, generated = row.get("inconclusive_bonafide"), row.get("inconclusive_spoof")
    if human is not None and generated is not None:
        parts.append(
            f"Of the human ones {100 * human:.0f} %, of the generated ones {100 * generated:.0f} % stayed open."
        )
    if differs:
        what = [
            f"{WORDS[a]} is {cell[a] or 'unknown'} here"
            + ("" if theirs.get(a, ANY) != ANY else ", not told apart there")
            for a in differs
        ]
        parts.append("It does not match in this: " + "; ".join(what) + ".")
    return " ".join(parts)


def _interval(row: Mapping[str, Any], key: str) -> str:
    limits = (row.get("intervals") or {}).get(key)
    return f" (95 % interval {100 * limits[0]:.1f}–{100 * limits[1]:.1f})" if limits else ""
