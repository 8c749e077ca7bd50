"""Every container and codec, exact scaling, every way to hand a recording in, and blocks that equal the whole."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soxr
from audio_files import KINDS, Kind, can_write, encode, tone, voice, wav_bytes, write

from earwitness.audio import Audio, decode, open_audio


def likeness(found: np.ndarray, expected: np.ndarray, reach: int = 2400) -> float:
    """The highest correlation of two signals over shifts of at most ``reach`` samples."""
    size = 1 << (len(found) + len(expected)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(expected, size)), size)
    best = max(cross[: reach + 1].max(), cross[-reach:].max())
    return float(best / np.sqrt(np.dot(found, found) * np.dot(expected, expected)))


def recording(kind: Kind, seconds: float = 1.5) -> np.ndarray:
    """A voice on the left, half as loud on the right."""
    one = voice(seconds, kind.rate, seed=3)
    return np.stack([one, 0.5 * one][: kind.channels])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_decodes_to_what_was_encoded(kind: Kind, tmp_path: Path) -> None:
    if not can_write(kind):
        pytest.skip(f"this build of FFmpeg has no encoder {kind.codec}")
    made = recording(kind)
    path = tmp_path / "recording"
    path.write_bytes(write(kind, made))
    audio = decode(path)
    expected = soxr.resample(made.mean(axis=0), kind.rate, 16_000, quality="HQ")
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert abs(audio.seconds - 1.5) <= kind.slack
    assert likeness(audio.samples.astype(float), expected) >= kind.likeness
    source = audio.source
    assert source.codec == (kind.reads_as or kind.codec)
    assert source.container == (kind.container or kind.muxer)
    assert (source.rate, source.channels) == (kind.rate, kind.channels)
    assert source.duration == pytest.approx(audio.seconds, abs=1e-3)
    assert source.size == path.stat().st_size
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.bit_rate
    assert source.codec_long
    assert not source.video
    assert not audio.levels.split
    assert [w for w in audio.warnings if "could not be decoded" in w or "cut off" in w] == []


def test_likeness_tells_voices_apart() -> None:
    assert likeness(voice(1.5, seed=3), voice(1.5, seed=4)) < 0.3


LOSSLESS_16 = [k for k in KINDS if k.lossless and k.name not in ("wav-8", "voc")]


@pytest.mark.parametrize("kind", LOSSLESS_16, ids=lambda kind: kind.name)
def test_every_lossless_container_gives_identical_samples(kind: Kind) -> None:
    rows = np.round(np.stack([voice(5.0, kind.rate), tone(5.0, kind.rate)]) * 32768) / 32768
    assert np.array_equal(decode(write(kind, rows)).samples, decode(wav_bytes(rows, kind.rate)).samples)


@pytest.mark.parametrize(("form", "steps"), [("u8", 128), ("s16", 2**15), ("s24", 2**23), ("s32", 2**31)])
def test_every_integer_becomes_its_exact_fraction(form: str, steps: int) -> None:
    given = np.array([-steps, -steps + 1, -1, 0, 1, steps // 3, steps - 1])
    found = decode(wav_bytes(given / steps, form=form)).samples
    assert np.array_equal(found, (given / steps).astype(np.float32))


@pytest.mark.parametrize("form", ["f32", "f64"])
def test_every_float_is_taken_as_it_is_beyond_full_scale_too(form: str) -> None:
    given = np.array([0.1, -1.25, 1.5, 1e-30, 0.0])
    assert np.array_equal(decode(wav_bytes(given, form=form)).samples, given.astype(np.float32))


def test_opus_hands_out_48_khz_and_arrives_at_16(tmp_path: Path) -> None:
    kind = next(k for k in KINDS if k.name == "opus")
    path = tmp_path / "clip.opus"
    path.write_bytes(write(kind, tone(2.0, 48_000)[None].repeat(2, 0)))
    audio = decode(path)
    spectrum = np.abs(np.fft.rfft(audio.samples[8000:24000] * np.hanning(16000)))
    assert audio.source.rate == 48_000
    assert int(spectrum.argmax()) == 440


class TestWaysIn:
    @pytest.fixture
    def data(self) -> bytes:
        return wav_bytes(voice(0.5))

    @pytest.fixture
    def expected(self, data: bytes) -> Audio:
        return decode(data)

    def test_path_string_and_bytes(self, data: bytes, expected: Audio, tmp_path: Path) -> None:
        path = tmp_path / "näme with space.mp3"  # the content decides, not the name
        path.write_bytes(data)
        for given in (path, str(path), bytearray(data), memoryview(data)):
            assert np.array_equal(decode(given).samples, expected.samples)  # type: ignore[arg-type]
        assert decode(path).source.name == path.name
        assert decode(path).source.path == str(path)
        assert expected.source.name == "<bytes>"

    def test_file_object_is_read_from_its_start_and_left_open(self, data: bytes, expected: Audio) -> None:
        file = io.BytesIO(data)
        file.seek(0, os.SEEK_END)
        assert np.array_equal(decode(file).samples, expected.samples)
        assert not file.closed

    def test_named_pipe(self, data: bytes, expected: Audio, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        audio = decode(pipe)
        writer.join()
        assert np.array_equal(audio.samples, expected.samples)
        assert audio.source.sha256 == expected.source.sha256

    def test_standard_input(self, data: bytes, expected: Audio) -> None:
        code = "import sys; from earwitness.audio import decode; print(decode(sys.stdin.buffer).samples.sum())"
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
        assert float(done.stdout) == pytest.approx(float(expected.samples.sum()), rel=1e-5)
        assert done.stderr == b""

    def test_a_pipe_can_be_heard_again(self, data: bytes) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        with open_audio(Pipe(data)) as stream:
            first = np.concatenate(list(stream))
            with stream.again(channel=0) as second:
                assert np.array_equal(np.concatenate(list(second)), first)
                assert second.channel == "channel 1"


class TestBlocks:
    def test_blocks_are_ten_seconds_and_equal_the_whole(self) -> None:
        data = wav_bytes(np.stack([voice(33.0, 44_100), voice(33.0, 44_100, seed=1)]), 44_100)
        with open_audio(data) as stream:
            blocks = list(stream)
        assert [len(block) for block in blocks] == [160_000, 160_000, 160_000, 48_000]
        assert np.array_equal(np.concatenate(blocks), decode(data).samples)

    @pytest.mark.parametrize("samples", [65_535, 65_536, 65_537, 131_072, 160_000, 160_001, 1])
    def test_borders_lose_and_double_nothing(self, samples: int) -> None:
        given = np.round(voice(samples / 16_000) * 32768) / 32768
        assert np.array_equal(decode(wav_bytes(given)).samples, given.astype(np.float32))

    def test_source_is_provisional_until_the_last_block(self) -> None:
        cut = wav_bytes(voice(30.0))[: 44 + 2 * 16_000 * 20]
        with open_audio(cut) as stream:
            next(stream)
            assert stream.warnings == []
            list(stream)
            assert stream.source.duration == pytest.approx(20.0)
            assert "cut off" in stream.warnings[0]
            assert list(stream) == []

    def test_max_seconds_takes_the_beginning(self) -> None:
        data = wav_bytes(voice(25.0))
        audio = decode(data, max_seconds=1.5)
        assert audio.seconds == 1.5
        assert audio.source.duration == pytest.approx(25.0)
        assert np.array_equal(audio.samples, decode(data).samples[:24_000])

    def test_rate_and_channels_may_change_on_the_way(self) -> None:
        first = write(Kind("", "adts", "aac"), voice(2.0)[None].repeat(2, 0))
        second = write(Kind("", "adts", "aac", rate=32_000, channels=1), voice(1.0, 32_000)[None])
        audio = decode(first + second)
        assert audio.seconds == pytest.approx(3.0, abs=0.2)
        assert any("changes from 16000 Hz, 2 channels to 32000 Hz, 1 channels" in w for w in audio.warnings)
        assert len(audio.levels.rms_db) == 2


CODECS_WITH_EIGHT = [("alac", "ipod", "7.1(wide)"), ("aac", "adts", "7.1"), ("flac", "flac", "7.1")]


class TestChannels:
    rows = np.stack([tone(1.0, hertz=300), tone(1.0, hertz=1100, level=0.25)])

    def test_the_average_and_each_alone(self) -> None:
        data = wav_bytes(self.rows, form="f32")
        assert np.allclose(decode(data).samples, self.rows.mean(axis=0), atol=1e-7)
        for number, name in enumerate(("left", "right")):
            audio = decode(data, channel=number)
            assert np.array_equal(audio.samples, self.rows[number].astype(np.float32))
            assert audio.channel == name
        assert decode(data).channel is None

    @pytest.mark.parametrize("channels", [3, 7, 8, 9, 16, 64])
    def test_many_channels_are_averaged(self, channels: int) -> None:
        rows = np.stack([tone(0.2, level=0.5 / (k + 1)) for k in range(channels)])
        audio = decode(wav_bytes(rows, form="f32"))
        assert np.allclose(audio.samples, rows.mean(axis=0), atol=1e-6)
        assert audio.source.channels == channels
        third = decode(wav_bytes(rows, form="f32"), channel=2)
        assert np.array_equal(third.samples, rows[2].astype(np.float32))

    @pytest.mark.parametrize(("codec", "muxer", "layout"), CODECS_WITH_EIGHT)
    def test_eight_planes_are_read(self, codec: str, muxer: str, layout: str) -> None:
        # PyAV counts one plane too many here; reading it ends the process.
        import av

        rows = np.stack([tone(0.5, 48_000, level=0.4 / (k + 1)) for k in range(8)])
        file = io.BytesIO()
        with av.open(file, "w", format=muxer) as container:
            stream = container.add_stream(codec, rate=48_000, layout=layout)
            size = stream.codec_context.frame_size or 0
            fit = av.AudioResampler(stream.codec_context.format, layout, 48_000, size)
            # Packed on the way in, for the same reason.
            flat = np.ascontiguousarray(rows.T.reshape(1, -1).astype("f4"))
            frame = av.AudioFrame.from_ndarray(flat, format="flt", layout=layout)
            frame.sample_rate, frame.pts = 48_000, 0
            for piece in [*fit.resample(frame), *fit.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))
        audio = decode(file.getvalue())
        expected = 20 * np.log10(0.4 / np.arange(1, 9) / np.sqrt(2))
        assert audio.source.channels == 8
        # The fourth is the bass channel, in which AAC drops the tone.
        assert np.allclose(np.delete(audio.levels.rms_db, 3), np.delete(expected, 3), atol=1.0)


class TestFacts:
    def test_film_with_sound_and_tags(self) -> None:
        kind = next(k for k in KINDS if k.name == "mp4")
        source = decode(
            write(kind, recording(kind), pictures=True, tags={"title": "hearing\x1b[31m", "artist": "x" * 900})
        ).source
        assert source.video
        assert source.codec == "aac"
        assert source.tags["title"] == "hearing [31m"
        assert len(source.tags["artist"]) <= 500
        assert source.encoder.startswith("Lavf")

    def test_to_dict_is_plain(self) -> None:
        import json

        facts = decode(wav_bytes(voice(0.5), form="s24")).source.to_dict()
        assert json.loads(json.dumps(facts)) == facts
        assert facts["bit_depth"] == 24
        assert facts["bit_rate"] == 16_000 * 24

    def test_samples_written_by_hand_and_by_ffmpeg_agree(self) -> None:
        kind = next(k for k in KINDS if k.name == "wav-24")
        rows = np.round(recording(kind) * 2**23) / 2**23
        assert encode(rows.T.reshape(-1), "s24") in write(kind, rows)


def test_importing_brings_in_no_decoder() -> None:
    code = "import sys, earwitness.audio; print([m for m in ('av', 'soxr', 'torch', 'scipy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_decode_is_the_function_whatever_was_imported_first() -> None:
    code = "import earwitness.audio.decode; from earwitness.audio import decode; print(callable(decode))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"
