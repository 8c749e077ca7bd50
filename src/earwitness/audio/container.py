"""Open a recording with FFmpeg (PyAV): choose its sound, state its facts, say in plain words why it cannot be read."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from earwitness.audio.formats import (
    DECODERS,
    DEMUXERS,
    LOSSLESS,
    flac_bits,
    id3_size,
    looks_like,
    mp3_states_length,
    ogg_is_complete,
    riff_facts,
)
from earwitness.audio.source import ByteFile, Pipe, Source
from earwitness.errors import AudioError

RATES = (2_000, 768_000)
"""Sample rates in Hz that are believed; anything outside is an absurd header."""

MAX_CHANNELS = 64
"""More channels than this are an absurd header."""

_READ = 1 << 16
_TAGS, _TAG_LENGTH = 64, 500
_HEAD = 1 << 16
_ALLOWED = {
    "format_whitelist": ",".join(DEMUXERS),
    "codec_whitelist": ",".join(DECODERS),
    "protocol_whitelist": "none",
}
_STATES_LENGTH = {"flac", "matroska", "webm", "mov", "mp4", "m4a", "3gp", "asf", "tta", "wv", "au", "aiff"}


@dataclass
class Opened:
    """An open recording: PyAV's container, the stream that is heard, and what the header states about the length."""

    container: Any
    stream: Any
    reader: Reader | Pipe
    source: Source
    stated_seconds: float | None
    warnings: list[str]

    def close(self) -> None:
        """Free FFmpeg's side; safe to call twice."""
        self.container.close()


class Reader:
    """The file as FFmpeg sees it: no name, its own position, and an end to reading in circles.

    An exception that leaves these methods may be dropped and printed by PyAV. So nothing is raised here: a failure ends
    the file for FFmpeg and stays in ``failure`` for the caller to raise.
    """

    def __init__(self, source: ByteFile) -> None:
        self._source, self._position = source, 0
        # Interleaved files are read in jumps, each of which fetches a whole buffer; loops read without end.
        self._left = 1000 * source.size + (1 << 30)
        self.failure: AudioError | None = None

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; none at the end and after a failure."""
        self._left -= count
        if self.failure is not None or self._position >= self._source.size:
            return b""
        try:
            if self._left < 0:
                raise AudioError(
                    f"{self._source.path}: leads its reader in circles", hint="the file is damaged", code="not-audio"
                )
            data = self._source.part(self._position, count)
        except AudioError as error:
            self.failure = error
            return b""
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; returns it, or -1 for one before the start."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}.get(whence)
        if base is None or base + offset < 0:
            return -1
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position


def open_container(source: ByteFile) -> Opened:
    """Open the recording, choose FFmpeg's best sound stream and leave all others unread.

    Raises
    ------
    AudioError
        ``not-audio``, ``no-audio-stream``, ``truncated``, ``absurd-header``, ``unknown-codec`` or ``unreadable``.
    """
    import av

    head = source.head(_HEAD)
    riff = riff_facts(head)
    if riff and not (RATES[0] <= riff.rate <= RATES[1] and 0 < riff.channels <= MAX_CHANNELS):
        _absurd(source, riff.rate, riff.channels)
    options = dict(_ALLOWED)
    if head[8:12] == b"WAVE":
        # Larger packets are cheaper to decode; FFmpeg's search for DTS in PCM grows with their square.
        options |= {"max_size": str(1 << 16), "max_probe_packets": "4"}
    reader = Reader(source)
    try:
        container = av.open(
            reader, container_options=options, io_open=_nothing, buffer_size=_READ, metadata_errors="replace"
        )
    except (av.FFmpegError, ValueError, OverflowError):
        raise reader.failure or _explain(source) from None
    try:
        return _inspect(source, container, reader)
    except (av.FFmpegError, ValueError, OverflowError):
        container.close()
        raise reader.failure or _explain(source) from None
    except BaseException:
        container.close()
        raise


def open_pipe(pipe: Pipe) -> Opened:
    """As :func:`open_container` for bytes that are still being made: it returns once their header has come.

    Raises
    ------
    AudioError
        As :func:`open_container`; ``not-audio`` also for what can only be read from its end, like some mp4 files.
    """
    import av

    # the header alone says what WebM holds; FFmpeg would else wait for seconds of sound. Its flag "nobuffer" would
    # wait less, but drops what it has looked at.
    options = {**_ALLOWED, "analyzeduration": "200000"}
    if pipe.only is not None:
        options |= {"format_whitelist": pipe.only[0], "codec_whitelist": pipe.only[1]}
    try:
        container = av.open(
            pipe, container_options=options, io_open=_nothing, buffer_size=_READ, metadata_errors="replace"
        )
    except (av.FFmpegError, ValueError, OverflowError):
        raise pipe.failure or _explain_pipe(pipe) from None
    try:
        if _index_is_last(pipe.head()):
            raise _explain_pipe(pipe)
        return _inspect(pipe, container, pipe)
    except (av.FFmpegError, ValueError, OverflowError):
        container.close()
        raise pipe.failure or _explain_pipe(pipe) from None
    except BaseException:
        container.close()
        raise


def _index_is_last(head: bytes) -> bool:
    """Whether this is an mp4 whose sound stands before the index, which FFmpeg would notice only after all of it."""
    at = head.find(b"mdat")
    return head[4:8] == b"ftyp" and at > 0 and b"moov" not in head[:at]


def _explain_pipe(pipe: Pipe) -> AudioError:
    """Why a pipe did not open."""
    if not pipe.size:
        return AudioError(f"{pipe.path}: no bytes came", hint="check what should send them", code="empty-file")
    if pipe.head(12)[4:8] == b"ftyp":
        return AudioError(
            f"{pipe.path}: this mp4 cannot be read while it comes, its index stands at the end",
            hint="save it as a file and scan that",
            code="not-audio",
        )
    held = looks_like(pipe.head())
    words = f"holds {held}, not sound" if held else "is not a recording in a known format"
    return AudioError(
        f"{pipe.path}: {words} (it starts with {pipe.head(12)!r})",
        hint="raw PCM needs its rate and format stated; wav, flac, mp3, ogg, webm and others say them themselves",
        code="not-audio",
    )


def _nothing(*_: object) -> BinaryIO:
    """What a recording gets that names another file or an address."""
    return io.BytesIO()


def _explain(source: ByteFile) -> AudioError:
    """Why the file did not open, from its first bytes."""
    head = source.head(_HEAD)
    if head[4:8] == b"ftyp" and b"moov" not in head:
        return AudioError(
            f"{source.path}: its index (moov) is missing, so the recording was cut off before it was finished",
            hint="get the complete file, or repair it with a tool for mp4 files",
            code="truncated",
        )
    if head.startswith((b"RIFF", b"FORM", b"fLaC", b"OggS", b"caff", b".snd", b"\x1aE\xdf\xa3", b"#!AMR")):
        return AudioError(
            f"{source.path}: its header is damaged or cut off ({source.size} bytes)",
            hint="get the complete file",
            code="truncated",
        )
    held = looks_like(head)
    words = f"holds {held}, not sound" if held else "is not a recording in a known format"
    return AudioError(
        f"{source.path}: {words} (it starts with {head[:12]!r})",
        hint="wav, flac, mp3, m4a, ogg, opus, webm, mp4 and others are read",
        code="not-audio",
    )


def _absurd(source: ByteFile | Pipe, rate: int, channels: int) -> NoReturn:
    raise AudioError(
        f"{source.path}: its header claims {rate} Hz and {channels} channels",
        hint=f"{RATES[0]} to {RATES[1]} Hz and up to {MAX_CHANNELS} channels are read: it is damaged",
        code="absurd-header",
    )


def _inspect(source: ByteFile | Pipe, container: Any, reader: Reader | Pipe) -> Opened:
    from av.stream import Discard

    sounds = list(container.streams.audio)
    pictures = [s for s in container.streams.video if not _is_cover(s)]
    if not sounds:
        held = "a video without sound" if pictures else "no sound in it"
        raise AudioError(
            f"{source.path}: there is {held}", hint="choose a file with a sound track", code="no-audio-stream"
        )
    stream = container.streams.best("audio") or sounds[0]
    decoder = stream.codec_context
    if decoder is None or decoder.name not in DECODERS:
        named = decoder.name if decoder else "unknown"
        raise AudioError(
            f"{source.path}: its sound is coded in a way that is not read ({named})",
            hint="convert it to wav",
            code="unknown-codec",
        )
    rate, channels = decoder.sample_rate or 0, decoder.layout.nb_channels if decoder.layout else 0
    # Zero means that only the frames will tell.
    if (rate and not RATES[0] <= rate <= RATES[1]) or channels > MAX_CHANNELS:
        _absurd(source, rate, channels)
    decoder.thread_count, decoder.thread_type = 1, "NONE"
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    warnings: list[str] = []
    if len(sounds) > 1:
        warnings.append(f"there are {len(sounds)} sound tracks; number {sounds.index(stream) + 1} is read")
    facts = _facts(source, container, stream, bool(pictures))
    stated = None if isinstance(source, Pipe) else _stated_seconds(source, facts, warnings)
    return Opened(container, stream, reader, facts, stated, warnings)


def _is_cover(stream: Any) -> bool:
    """Pictures that are a cover, not a film."""
    return bool(int(stream.disposition) & (0x400 | 0x80000))


def _facts(source: ByteFile | Pipe, container: Any, stream: Any, video: bool) -> Source:
    decoder = stream.codec_context
    tags = _tags({**container.metadata, **stream.metadata})
    codec = decoder.codec.canonical_name
    length = stream.duration * stream.time_base if stream.duration and stream.time_base else None
    if length is None and container.duration:
        length = container.duration / 1e6
    return Source(
        path=source.path,
        name=source.name,
        size=source.size,
        sha256=source.sha256(),
        container=_container_name(source, container, tags),
        codec=codec,
        codec_long=decoder.codec.long_name,
        rate=decoder.sample_rate or 0,
        channels=decoder.layout.nb_channels if decoder.layout else 0,
        bit_depth=_bit_depth(source, codec, decoder),
        bit_rate=stream.bit_rate or decoder.bit_rate or container.bit_rate or None,
        duration=float(length) if length is not None and length > 0 else None,
        encoder=next((tags[key] for key in ("encoder", "TSSE", "encoded_by", "software") if key in tags), ""),
        tags=tags,
        video=video,
    )


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    """The tags without control characters (a terminal would obey them), not too many and not too long."""
    kept = list(metadata.items())[:_TAGS]
    return {_plain(key)[:_TAG_LENGTH]: _plain(value)[:_TAG_LENGTH] for key, value in kept}


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _TAG_LENGTH]).strip()


def _container_name(source: ByteFile | Pipe, container: Any, tags: dict[str, str]) -> str:
    name: str = container.format.name
    if name.startswith("mov,"):
        brand = tags.get("major_brand", "").strip()
        return {"qt": "mov", "M4A": "m4a", "M4B": "m4a", "M4V": "mp4"}.get(brand) or (
            "3gp" if brand.startswith("3g") else "mp4" if brand else "mov"
        )
    if name.startswith("matroska"):
        return "webm" if b"webm" in source.head(64) else "matroska"
    return name


def _bit_depth(source: ByteFile | Pipe, codec: str, decoder: Any) -> int | None:
    if codec.startswith("pcm_"):
        digits = "".join(letter for letter in codec if letter.isdigit())
        return int(digits) if digits else 8
    bits = flac_bits(source.head(64)) if codec == "flac" else None
    if bits is None and codec in LOSSLESS and decoder.format is not None and decoder.format.name in ("s16", "s16p"):
        bits = 16
    return bits


def _stated_seconds(source: ByteFile, facts: Source, warnings: list[str]) -> float | None:
    """The length that the header itself states; None where FFmpeg estimates it or the format does not state one."""
    if facts.container == "wav":
        riff = riff_facts(source.head(_HEAD))
        if riff is None or riff.data_size is None or riff.byte_rate == 0:
            return None
        if riff.data_start + riff.data_size <= source.size:
            return None
        # FFmpeg cuts a stated length to the file's, so a cut-off file looks complete to it.
        return riff.data_size / riff.byte_rate
    if facts.container == "mp3":
        start = id3_size(source.head(10))
        return facts.duration if mp3_states_length(source.part(start, 4096)) else None
    if facts.container == "ogg":
        if not ogg_is_complete(source.tail()):
            warnings.append("the recording is cut off: its last page does not carry the mark of the end")
        return None
    return facts.duration if facts.container in _STATES_LENGTH else None
