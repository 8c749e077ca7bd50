"""Sound that is still being made: the same samples as from a file of the same bytes, whatever the pieces."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
import wave

import av
import numpy as np
import pytest
from audio_files import voice, wav_bytes

from earwitness.audio import ChannelLevels, decode
from earwitness.audio.live import FORMATS, PcmAudio, PipeAudio
from earwitness.errors import AudioError


def encoded(samples: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.bit_rate = 48_000
        form = stream.codec_context.codec.audio_formats[0].name
        frame = av.AudioFrame.from_ndarray((samples[None] * 32767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler(form, "mono", rate)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def alike(one: ChannelLevels, other: ChannelLevels) -> None:
    """Sums over blocks of other lengths round differently."""
    assert one.rms_db == pytest.approx(other.rms_db, abs=1e-3)
    assert (one.peak, one.clipped_share, one.split) == (other.peak, other.clipped_share, other.split)


def mulaw_wav(data: bytes, rate: int) -> bytes:
    head = io.BytesIO()
    with wave.open(head, "wb") as out:
        out.setparams((1, 1, rate, 0, "NONE", ""))
        out.writeframes(data)
    body = bytearray(head.getvalue())
    body[20:22] = (7).to_bytes(2, "little")
    return bytes(body)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000, 44_100])
@pytest.mark.parametrize("piece", [1, 999, 6400, 10**9])
def test_pcm_is_what_a_file_of_it_holds(rate: int, piece: int) -> None:
    seconds = 0.05 if piece == 1 else 2.0
    pcm = (voice(seconds, rate) * 32767).astype("<i2").tobytes()
    audio = PcmAudio("pcm16", rate)
    blocks = [audio.push(pcm[at : at + piece]) for at in range(0, len(pcm), piece)]
    heard = np.concatenate([*blocks, audio.finish()])
    file = decode(wav_bytes(np.frombuffer(pcm, "<i2") / 32768, rate))
    assert heard.dtype == np.float32
    np.testing.assert_array_equal(heard, file.samples)
    alike(audio.levels, file.levels)
    assert audio.source.duration == pytest.approx(seconds)
    assert (audio.source.size, audio.source.rate, audio.source.codec) == (len(pcm), rate, file.source.codec)


def test_every_mulaw_value_is_that_of_ffmpeg() -> None:
    data = bytes(range(256)) * 40
    audio = PcmAudio("mulaw", 16_000)
    heard = np.concatenate([audio.push(data), audio.finish()])
    np.testing.assert_array_equal(heard, decode(mulaw_wav(data, 16_000)).samples)
    assert audio.source.bit_rate == 128_000


def test_the_hash_is_that_of_the_bytes() -> None:
    import hashlib

    audio = PcmAudio("pcm16", 8000)
    audio.push(b"\x01\x02\x03")
    audio.push(b"\x04\x05")
    assert audio.source.sha256 == hashlib.sha256(b"\x01\x02\x03\x04\x05").hexdigest()
    assert "1 byte" in audio.warnings[0]


@pytest.mark.parametrize(("form", "rate", "code"), [("g729", 8000, "unknown-format"), ("pcm16", 1, "absurd-header")])
def test_what_pcm_cannot_be(form: str, rate: int, code: str) -> None:
    with pytest.raises(AudioError) as found:
        PcmAudio(form, rate)
    assert found.value.code == code


def test_nothing_pushed_is_nothing_heard() -> None:
    for form in FORMATS:
        audio = PcmAudio(form, 8000)
        assert audio.push(b"").size == 0
        assert audio.finish().size == 0
        assert audio.source.duration == 0


CONTAINERS = [
    ("webm", "libopus", 48_000),
    ("ogg", "libopus", 48_000),
    ("wav", "pcm_s16le", 44_100),
    ("flac", "flac", 16_000),
    ("adts", "aac", 44_100),
]


@pytest.mark.parametrize(("container", "codec", "rate"), CONTAINERS, ids=lambda v: str(v))
def test_a_container_on_a_pipe_is_the_same_as_the_file(container: str, codec: str, rate: int) -> None:
    data = encoded(voice(4.0), container, codec, rate)
    with PipeAudio(io.BytesIO(data), "x") as audio:
        heard = np.concatenate(list(audio))
        file = decode(data)
        np.testing.assert_array_equal(heard, file.samples)
        assert audio.source.sha256 == file.source.sha256
        assert (audio.source.size, audio.source.codec) == (len(data), file.source.codec)
        alike(audio.levels, file.levels)


def test_webm_is_heard_while_it_comes() -> None:
    data = encoded(voice(6.0), "webm", "libopus", 48_000)
    reading, writing = os.pipe()
    sent, step = 0.0, len(data) // 60

    def feed() -> None:
        nonlocal sent
        for at in range(0, len(data), step):
            os.write(writing, data[at : at + step])
            sent = min(6.0, 6.0 * (at + step) / len(data))
            time.sleep(0.01)
        os.close(writing)

    thread = threading.Thread(target=feed)
    thread.start()
    heard, behind = 0, []
    with os.fdopen(reading, "rb") as file, PipeAudio(file) as audio:
        for block in audio:
            heard += block.size
            behind.append(sent - heard / 16_000)
    thread.join()
    assert heard == 96_000
    assert np.median(behind) < 0.5


def test_a_film_is_no_sound() -> None:
    with pytest.raises(AudioError) as found:
        PipeAudio(io.BytesIO(b"<html><body>no</body></html>" * 100))
    assert found.value.code == "not-audio"
    with pytest.raises(AudioError) as found:
        PipeAudio(io.BytesIO(b""))
    assert found.value.code == "empty-file"


def test_only_what_is_named_is_tried() -> None:
    data = encoded(voice(1.0), "flac", "flac", 16_000)
    with pytest.raises(AudioError):
        PipeAudio(io.BytesIO(data), only=("matroska,webm", "opus"))
    data = encoded(voice(1.0), "webm", "libopus", 48_000)
    with PipeAudio(io.BytesIO(data), only=("matroska,webm", "opus")) as audio:
        assert sum(b.size for b in audio) == 16_000


def test_an_mp4_with_its_index_at_the_end_says_so() -> None:
    data = encoded(voice(1.0), "mp4", "aac", 44_100)
    with pytest.raises(AudioError) as found:
        PipeAudio(io.BytesIO(data))
    assert "index" in found.value.message


def test_a_pipe_that_breaks_says_so() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell() > 2000:
                raise OSError(5, "Input/output error")
            return super().read1(min(size or 0, 1000))

    data = encoded(voice(3.0), "webm", "libopus", 48_000)
    with pytest.raises(AudioError) as found, PipeAudio(Broken(data)) as audio:
        list(audio)
    assert found.value.code == "unreadable"


@pytest.mark.parametrize("seed", range(6))
def test_damage_costs_the_sound_not_the_process(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(encoded(voice(2.0), "webm", "libopus", 48_000))
    for at in rng.integers(0, len(data), 40):
        data[at] = rng.integers(256)
    with contextlib.suppress(AudioError), PipeAudio(io.BytesIO(bytes(data[: rng.integers(50, len(data))]))) as audio:
        assert sum(b.size for b in audio) < 10 * 16_000
