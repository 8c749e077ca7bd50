"""The microphone of this machine, through FFmpeg's ALSA input (Linux): 16-bit mono at 16 kHz, as bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from earwitness.audio import SAMPLE_RATE
from earwitness.errors import AudioError

_CONFIG = ("/usr/share/alsa/alsa.conf", "/usr/local/share/alsa/alsa.conf", "/etc/alsa/alsa.conf")
#: bytes that are handed out at a time: 50 ms
_PIECE = 1600
_PIPE = "or pipe sound in: arecord -f S16_LE -r 16000 | earwitness listen -"


class Microphone:
    """An open input device; iterate it for bytes of 16-bit PCM, close it when done.

    Parameters
    ----------
    device:
        A name of ALSA's, as ``arecord -L`` lists them.

    Raises
    ------
    AudioError
        ``no-microphone``: another system than Linux, no such device, or one that is in use.

    Examples
    --------
    >>> Microphone("no such device")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
        ...
    earwitness.errors.AudioError: the microphone 'no such device' cannot be opened
    """

    rate = SAMPLE_RATE

    def __init__(self, device: str = "default") -> None:
        import av

        if not sys.platform.startswith("linux") or "alsa" not in av.formats_available:
            raise AudioError("microphones are opened on Linux only", hint="pipe sound in instead", code="no-microphone")
        # the library inside PyAV looks for its settings where it was built, not where they are
        found = next((path for path in _CONFIG if Path(path).is_file()), None)
        if found is not None:
            os.environ.setdefault("ALSA_CONFIG_PATH", found)
        options = {"sample_rate": str(self.rate), "channels": "1"}
        try:
            with _quiet():
                self._container: Any = av.open(device, format="alsa", options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            missing = "" if found else " (ALSA has no settings here: install libasound2-data)"
            raise AudioError(
                f"the microphone {device!r} cannot be opened: {reason}{missing}",
                hint=f"name one with --device (arecord -L lists them), {_PIPE}",
                code="no-microphone",
            ) from None

    def __iter__(self) -> Iterator[bytes]:
        import av

        to_mono, waiting = av.AudioResampler("s16", "mono", self.rate), bytearray()
        try:
            for frame in self._container.decode(audio=0):
                for piece in to_mono.resample(frame):
                    waiting += bytes(piece.planes[0])[: 2 * piece.samples]
                # some devices hand out single samples
                if len(waiting) >= _PIECE:
                    yield bytes(waiting)
                    waiting.clear()
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AudioError(
                f"the microphone stopped: {reason}", hint=_PIPE.removeprefix("or "), code="unreadable"
            ) from None

    def close(self) -> None:
        """Let go of the device; safe to call twice."""
        self._container.close()

    def __enter__(self) -> Microphone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what ALSA prints on its own; the error says it in one sentence."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
