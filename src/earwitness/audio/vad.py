"""Where a recording holds speech, and where music: a small network of our own, one probability of each per 32 ms.

The network (``assets/speech/speech.onnx``, trained by ``python -m earwitness.train.speech``) takes raw samples: its
Fourier transform, band powers and convolutions are one graph. It looks 3.6 s back and .5 s ahead. An hour of audio
costs about half a second of one core.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.errors import DetectorError

FRAME = 512
"""Samples of one frame at 16 kHz: 32 ms."""
FRAME_SECONDS = FRAME / 16_000
"""Seconds of one frame."""
THRESHOLD = 0.5
"""At or above this probability a frame counts as speech (or as music)."""
_CHUNK = 512
_FOLDER = Path(__file__).parent.parent / "assets" / "speech"

Probabilities = NDArray[np.float32]


class SpeechDetector:
    """Probabilities of speech and of music, frame by frame.

    Parameters
    ----------
    folder:
        Folder with ``speech.onnx`` and ``speech.json``; the shipped one by default.

    Raises
    ------
    DetectorError
        If a file is missing, is not what ``speech.json`` says (sha256), or has another format.

    Examples
    --------
    >>> detect = SpeechDetector()
    >>> bool(detect(np.zeros(16_000, dtype=np.float32)).max() < THRESHOLD)
    True
    """

    FRAME = FRAME

    def __init__(self, folder: Path | str | None = None) -> None:
        place = str(folder if folder is not None else _FOLDER)
        self._session, self.info = _load(place) if folder is None else _load.__wrapped__(place)

    @property
    def delay(self) -> float:
        """Seconds that must be heard after a frame before its probabilities come out of a stream."""
        return float(self.info["ahead"]) * FRAME_SECONDS

    def stream(self) -> SpeechStream:
        """A fresh stream over one recording."""
        return SpeechStream(self._session, self.info)

    def __call__(self, samples: NDArray[np.float32]) -> Probabilities:
        """Probabilities ``(ceil(n / 512), 2)``, columns speech and music, of ``n`` samples (float32, mono, 16 kHz).

        The last frame is filled up with silence. Equal to a stream over the same samples to 1e-5.
        """
        stream = self.stream()
        return np.concatenate([stream.push(samples), stream.flush()])


class SpeechStream:
    """The detector over one recording that comes in blocks of any size; made by :meth:`SpeechDetector.stream`.

    Examples
    --------
    >>> stream = SpeechDetector().stream()
    >>> early = stream.push(np.zeros(20_000, dtype=np.float32))
    >>> len(early) + len(stream.flush())
    40
    """

    def __init__(self, session: Any, info: dict[str, Any]) -> None:
        self._session, self._info = session, info
        self._reset()

    def _reset(self) -> None:
        ahead = int(self._info["ahead"])
        shape = (int(self._info["past"]) + ahead, int(self._info["bands"]))
        self._past = np.full(shape, self._info["silence"], dtype=np.float32)
        self._rest = np.zeros(0, dtype=np.float32)
        self._skip, self._begun = ahead, False

    def push(self, block: NDArray[np.float32]) -> Probabilities:
        """The frames that became known with ``block`` (float32, any length), as ``(frames, 2)``; may be none.

        Samples that are not numbers count as silence.
        """
        block = np.asarray(block, dtype=np.float32).reshape(-1)
        if len(block) and not np.isfinite(block.sum()):
            block = np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1e3, 1e3)
        self._begun = self._begun or len(block) > 0
        if len(self._rest):
            block = np.concatenate([self._rest, block])
        count = len(block) // FRAME
        self._rest = block[count * FRAME :].copy()
        return self._run(block[: count * FRAME].reshape(count, FRAME))

    def flush(self) -> Probabilities:
        """The frames still missing at the end of the recording; the stream is then fresh again."""
        if not self._begun:
            return np.zeros((0, 2), dtype=np.float32)
        tail = int(len(self._rest) > 0)
        frames = np.zeros((tail + int(self._info["ahead"]), FRAME), dtype=np.float32)
        frames.reshape(-1)[: len(self._rest)] = self._rest
        out = self._run(frames)
        self._reset()
        return out

    def _run(self, frames: NDArray[np.float32]) -> Probabilities:
        found = []
        for start in range(0, len(frames), _CHUNK):
            feed = {"frames": frames[start : start + _CHUNK], "past": self._past}
            probabilities, self._past = self._session.run(None, feed)
            found.append(probabilities)
        out = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.float32)
        drop = min(self._skip, len(out))
        self._skip -= drop
        return np.asarray(out[drop:], dtype=np.float32)


@cache
def _load(place: str) -> tuple[Any, dict[str, Any]]:
    """The session and the description; the shipped one is loaded once a process."""
    import onnxruntime

    folder, again = Path(place), "install the package again, or give another folder"
    try:
        info = json.loads((folder / "speech.json").read_text(encoding="utf-8"))
        body = (folder / "speech.onnx").read_bytes()
    except (OSError, ValueError) as error:
        raise DetectorError(f"{folder}: the speech detector cannot be read: {error}", hint=again) from None
    if info.get("format") != 1 or info.get("frame") != FRAME:
        raise DetectorError(f"{folder}: a speech detector of another format ({info.get('format')!r})", hint=again)
    digest = hashlib.sha256(body).hexdigest()
    if digest != info["files"]["speech.onnx"]["sha256"]:
        raise DetectorError(f"{folder / 'speech.onnx'}: changed since it was written (sha256 {digest})", hint=again)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"]), info
