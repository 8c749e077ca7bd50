"""What is read and what is not: FFmpeg's demuxers and decoders that a recording of a voice may come in.

FFmpeg also knows playlists, network streams, subtitles, pictures, devices, filters and scripts. None of these is a
recording, and some fetch other files or addresses that a hostile file names. Hence the lists allow and do not forbid;
a file's content decides, never its name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DEMUXERS = _words(
    """
    aac ac3 aiff amr amrnb amrwb ape asf au avi caf dff dsf dss dts dtshd dv eac3 flac flv gsm gxf iff ilbc ircam
    latm loas matroska webm mlp mmf mov mp3 mpc mpc8 mpeg mpegts mxf nistsphere nut ogg oma osq pvf qcp qoa rm sbc
    shn sox tak truehd tta voc vqf w64 wav wtv wv xwma
    """
)
"""Names of FFmpeg's demuxers that may open a file (``mov`` is also mp4, m4a and 3gp)."""

DECODERS = _words(
    """
    aac aac_latm ac3 adpcm_adx adpcm_g722 adpcm_g726 adpcm_g726le adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf
    adpcm_yamaha alac als amrnb amrwb ape aptx aptx_hd atrac1 atrac3 atrac3plus cook dca dsd_lsbf dsd_lsbf_planar
    dsd_msbf dsd_msbf_planar dss_sp dvaudio eac3 evrc flac g722 g723_1 g726 g726le g729 gsm gsm_ms ilbc imc
    libopencore_amrnb libopencore_amrwb libopus mace3 mace6 metasound mlp mp1 mp1float mp2 mp2float mp3 mp3float
    mpc7 mpc8 msnsiren nellymoser opus osq pcm_alaw pcm_bluray pcm_dvd pcm_f16le pcm_f24le pcm_f32be pcm_f32le
    pcm_f64be pcm_f64le pcm_lxf pcm_mulaw pcm_s16be pcm_s16be_planar pcm_s16le pcm_s16le_planar pcm_s24be
    pcm_s24daud pcm_s24le pcm_s24le_planar pcm_s32be pcm_s32le pcm_s32le_planar pcm_s64be pcm_s64le pcm_s8
    pcm_s8_planar pcm_u16be pcm_u16le pcm_u24be pcm_u24le pcm_u32be pcm_u32le pcm_u8 qcelp qdm2 qdmc qoa real_144
    real_288 s302m sbc shorten sipr siren speex tak truehd truespeech tta twinvq vorbis wavpack wmalossless wmapro
    wmav1 wmav2 wmavoice
    """
)
"""Names of FFmpeg's decoders that may run. None decodes pictures, so a video's pictures are never touched."""

LOSSLESS = {"flac", "alac", "ape", "tta", "wavpack", "tak", "shorten", "als", "mlp", "truehd", "wmalossless", "osq"}

_UNKNOWN_SIZE = 0x7FFF0000
"""RIFF sizes from here up (and 0) are what programs write that do not know the length in advance."""


@dataclass(frozen=True)
class RiffFacts:
    """What a RIFF/WAVE header claims: Hz, channels, bytes a second and bytes of sound (None: not stated)."""

    rate: int
    channels: int
    byte_rate: int
    data_size: int | None
    data_start: int


def riff_facts(head: bytes) -> RiffFacts | None:
    """The claims of a WAVE header at the start of ``head``; None when there is none or it ends too early.

    Examples
    --------
    >>> fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    >>> riff_facts(b"RIFF" + bytes(4) + b"WAVE" + fmt + struct.pack("<4sI", b"data", 64000)).data_size
    64000
    """
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    position, fmt = 12, None
    while position + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, position)
        if name == b"fmt " and position + 24 <= len(head):
            fmt = struct.unpack_from("<HHII", head, position + 8)
        if name == b"data":
            if fmt is None:
                return None
            known = size if 0 < size < _UNKNOWN_SIZE else None
            return RiffFacts(fmt[2], fmt[1], fmt[3], known, position + 8)
        position += 8 + size + size % 2
    return RiffFacts(fmt[2], fmt[1], fmt[3], None, len(head)) if fmt else None


def mp3_states_length(head: bytes) -> bool:
    """Whether an mp3 file has a table (Xing, Info, VBRI) that states its length; else FFmpeg guesses it."""
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))


def id3_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag at the start of a file, 0 when there is none.

    Examples
    --------
    >>> id3_size(b"ID3" + bytes([4, 0, 0, 0, 0, 1, 0]))
    138
    """
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def ogg_is_complete(tail: bytes) -> bool:
    """Whether the last Ogg page in ``tail`` carries the mark of the end; True when there is no page at all."""
    last = tail.rfind(b"OggS")
    return last < 0 or last + 6 > len(tail) or bool(tail[last + 5] & 4)


def flac_bits(head: bytes) -> int | None:
    """Bits per sample in the STREAMINFO at the start of a FLAC file, None when ``head`` is not one."""
    if head[:4] != b"fLaC" or len(head) < 22:
        return None
    return ((head[20] & 1) << 4 | head[21] >> 4) + 1


def looks_like(head: bytes) -> str:
    """What a file that is no recording seems to hold, in words; empty when nobody knows.

    Examples
    --------
    >>> looks_like(b"#EXTM3U"), looks_like(b"Dear all, here is the recording"), looks_like(bytes(range(200, 240)))
    ('a playlist, which only names other files', 'text', '')
    """
    signatures = {
        b"#EXTM3U": "a playlist, which only names other files",
        b"ffconcat": "a list of other files",
        b"%PDF": "a PDF document",
        b"PK\x03\x04": "a zip archive or an office document",
        b"\x1f\x8b": "a gzip archive",
        b"\x89PNG": "a picture",
        b"\xff\xd8\xff": "a picture",
        b"GIF8": "a picture",
        b"\x7fELF": "a program",
    }
    for signature, words in signatures.items():
        if head.startswith(signature):
            return words
    sample = head[:512]
    try:
        text = sample.decode("utf-8", errors="strict" if len(head) < 512 else "ignore")
    except UnicodeDecodeError:
        return ""
    odd = sum(not (letter.isprintable() or letter in "\r\n\t\ufeff") for letter in text)
    return "text" if text and odd == 0 and len(text.encode()) > len(sample) - 4 else ""
