"""Bad input gives one clear error with a stable code, or a result with a warning; never a traceback of the decoder."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from audio_files import KINDS, silent_video, tone, voice, wav_bytes, write

from earwitness.audio import decode, open_audio, source
from earwitness.errors import AudioError

KIND = {kind.name: kind for kind in KINDS}


def zip_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


def mp4_without_index() -> bytes:
    data = write(KIND["mp4"], voice(1.0)[None].repeat(2, 0))
    return data[: data.rindex(b"moov") - 4]


HLS = (
    b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
)
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
DASH = b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period></Period></MPD>\n'
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0:~\x9bU"

REFUSED = {
    "text named .wav": (b"This is no recording, whatever its name says.\n" * 40, "not-audio"),
    "short text": (b"hello", "not-audio"),
    "one byte": (b"R", "not-audio"),
    "noise": (np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes(), "not-audio"),
    "zeros": (bytes(5000), "not-audio"),
    "zip": (zip_file(), "not-audio"),
    "png": (PNG, "not-audio"),
    "subtitles (srt)": (b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n" * 20, "not-audio"),
    "subtitles (ass)": (
        b"[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,0,0,0,,hi\n",
        "not-audio",
    ),
    "playlist (hls)": (HLS, "not-audio"),
    "playlist (m3u)": (b"#EXTM3U\n/etc/passwd\n", "not-audio"),
    "playlist (dash)": (DASH, "not-audio"),
    "list of files (ffconcat)": (b"ffconcat version 1.0\nfile /etc/passwd\n", "not-audio"),
    "session (sdp)": (SDP, "not-audio"),
    "wav: header only, cut off": (wav_bytes(voice(1.0))[:30], "truncated"),
    "wav: no samples": (wav_bytes(np.zeros(0)), "no-samples"),
    "wav: 1 Hz": (wav_bytes(voice(0.1), claims={"rate": 1}), "absurd-header"),
    "wav: 0 Hz": (wav_bytes(voice(0.1), claims={"rate": 0}), "absurd-header"),
    "wav: 10 MHz": (wav_bytes(voice(0.1), claims={"rate": 10_000_000}), "absurd-header"),
    "wav: 4 GHz": (wav_bytes(voice(0.1), claims={"rate": 0xFFFFFFFF}), "absurd-header"),
    "wav: 300 channels": (wav_bytes(voice(0.1), claims={"channels": 300}), "absurd-header"),
    "wav: 0 channels": (wav_bytes(voice(0.1), claims={"channels": 0}), "absurd-header"),
    "wav: 65,535 channels": (wav_bytes(voice(0.1), claims={"channels": 65_535}), "absurd-header"),
    "wav: only NaN": (wav_bytes(np.full(8000, np.nan), form="f32"), "non-finite"),
    "wav: only infinity": (wav_bytes(np.full(8000, -np.inf), form="f64"), "non-finite"),
    "flac: magic only": (b"fLaC" + bytes(4), "truncated"),
    "video without sound": (silent_video(), "no-audio-stream"),
    "mp4 without its index": (mp4_without_index(), "truncated"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_bad_file_is_refused_with_its_code(case: str, tmp_path: Path) -> None:
    data, code = REFUSED[case]
    path = tmp_path / "recording.wav"
    path.write_bytes(data)
    for given in (path, data):
        with pytest.raises(AudioError) as caught:
            decode(given)
        error = caught.value
        assert error.code == code
        assert error.message.startswith("<bytes>: " if given is data else f"{path}: ")
        assert error.hint
        assert "\n" not in str(error)
        assert "Errno" not in str(error)
        assert error.__cause__ is None


def test_text_is_called_text() -> None:
    with pytest.raises(AudioError, match=r"holds text, not sound .*starts with b'This is no "):
        decode(REFUSED["text named .wav"][0])
    with pytest.raises(AudioError, match="a playlist, which only names other files"):
        decode(HLS)


class TestPaths:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match="no such file") as caught:
            decode(tmp_path / "nothing.wav")
        assert caught.value.code == "missing-file"

    @pytest.mark.parametrize(
        "address", ["http://127.0.0.1:9/a.wav", "concat:a.wav|b.wav", "subfile,,start,0,end,9,,:a", "pipe:0"]
    )
    def test_addresses_are_not_followed(self, address: str) -> None:
        with pytest.raises(AudioError) as caught:
            decode(address)
        assert caught.value.code == "missing-file"

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").touch()
        for given in (tmp_path / "a.wav", b""):
            with pytest.raises(AudioError, match="0 bytes") as caught:
                decode(given)
            assert caught.value.code == "empty-file"

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match="is a directory") as caught:
            decode(tmp_path)
        assert caught.value.code == "is-directory"

    def test_device(self) -> None:
        with pytest.raises(AudioError) as caught:
            decode("/dev/zero")
        assert caught.value.code == "not-a-file"

    @pytest.mark.parametrize("given", ["a\0b.wav", "x" * 5000])
    def test_names_no_file_can_have(self, given: str) -> None:
        with pytest.raises(AudioError) as caught:
            decode(given)
        assert caught.value.code in ("unreadable", "missing-file")

    @pytest.mark.parametrize("given", [None, 3, ["a.wav"], io.StringIO("text")])
    def test_what_is_no_recording_at_all(self, given: object) -> None:
        with pytest.raises(AudioError) as caught:
            decode(given)  # type: ignore[arg-type]
        assert caught.value.code == "not-a-file"

    def test_closed_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        path.write_bytes(wav_bytes(voice(0.1)))
        file = path.open("rb")
        file.close()
        with pytest.raises(AudioError) as caught:
            decode(file)
        assert caught.value.code == "unreadable"

    def test_endless_pipe_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Endless(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, into: bytearray) -> int:
                return len(into)

        monkeypatch.setattr(source, "SPOOL_LIMIT", 3 << 20)
        with pytest.raises(AudioError) as caught:
            decode(Endless())  # type: ignore[arg-type]
        assert caught.value.code == "too-large"

    def test_file_that_fails_while_read(self) -> None:
        class Failing(io.BytesIO):
            left = 40_000

            def read(self, count: int | None = -1) -> bytes:
                data = super().read(count)
                self.left -= len(data)
                if self.left < 0:
                    raise OSError(5, "Input/output error")
                return data

        with pytest.raises(AudioError) as caught:
            decode(Failing(wav_bytes(voice(20.0))))
        assert caught.value.code == "unreadable"


class TestNumbersThatAreNone:
    def test_some_become_silence_and_are_counted(self) -> None:
        samples = tone(1.0)
        samples[100:110] = np.nan
        samples[200] = np.inf
        samples[300] = -1e30
        audio = decode(wav_bytes(samples, form="f32"))
        assert np.all(np.isfinite(audio.samples))
        assert np.all(audio.samples[100:110] == 0)
        assert audio.warnings == ["12 of 16000 samples are not finite numbers; they were taken as silence"]
        assert audio.levels.peak == pytest.approx(0.5, abs=1e-4)

    def test_doubles_beyond_float_are_no_numbers_either(self) -> None:
        samples = tone(1.0)
        samples[5] = 1e300
        assert "1 of 16000 samples" in decode(wav_bytes(samples, form="f64")).warnings[0]

    def test_integers_written_as_floats_are_kept_and_named(self) -> None:
        audio = decode(wav_bytes(tone(1.0) * 32768, form="f32"))
        assert "times full scale" in audio.warnings[0]
        assert audio.levels.peak == pytest.approx(16384, rel=1e-3)


def test_constant_and_silent_recordings_decode() -> None:
    constant, silent = decode(wav_bytes(np.full(16_000, 0.25))), decode(wav_bytes(np.zeros(16_000)))
    assert constant.levels.dc == pytest.approx(0.25)
    assert constant.levels.clipped_share == 0
    assert (constant.levels.rms_db, silent.levels.rms_db) == ((-120.0,), (-120.0,))
    assert constant.seconds == silent.seconds == 1.0


class TestCutOff:
    @pytest.mark.parametrize("name", ["wav-16", "wav-24", "flac", "mp3", "mkv", "opus", "aiff", "au", "tta", "alac"])
    def test_what_is_left_is_decoded_and_the_loss_is_said(self, name: str) -> None:
        kind = KIND[name]
        data = write(kind, np.stack([voice(6.0, kind.rate)] * kind.channels))
        if name == "alac":
            data = faststart(data)
        audio = decode(data[: len(data) * 6 // 10 + 1])
        assert 2.0 < audio.seconds < 5.0
        assert any("cut off" in warning for warning in audio.warnings), audio.warnings

    @pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_wav_of_unknown_length_is_not_called_cut_off(self, size: int) -> None:
        audio = decode(wav_bytes(voice(1.0), claims={"data_size": size}))
        assert (audio.seconds, audio.warnings) == (1.0, [])

    def test_damage_in_the_middle_is_left_out_and_counted(self) -> None:
        kind = KIND["flac"]
        data = bytearray(write(kind, np.stack([voice(6.0)] * 2)))
        data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
        audio = decode(bytes(data))
        assert 5.0 < audio.seconds < 6.5
        assert audio.warnings

    def test_nothing_that_decodes_is_an_error(self) -> None:
        data = bytearray(write(KIND["mkv"], np.stack([voice(2.0)] * 2)))
        data[900:] = np.random.default_rng(0).integers(0, 256, len(data) - 900, np.uint8).tobytes()
        with pytest.raises(AudioError):
            decode(bytes(data))


def faststart(data: bytes) -> bytes:
    """The same mp4 file with its index in front, as it is streamed (chunk offsets moved accordingly)."""
    boxes, position = [], 0
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        boxes.append(data[position : position + size])
        position += size
    moov = bytearray(next(box for box in boxes if box[4:8] == b"moov"))
    at = moov.index(b"stco")
    (count,) = struct.unpack_from(">I", moov, at + 8)
    for entry in range(count):
        place = at + 12 + 4 * entry
        struct.pack_into(">I", moov, place, struct.unpack_from(">I", moov, place)[0] + len(moov))
    rest = [box for box in boxes[1:] if box[4:8] != b"moov"]
    return b"".join([boxes[0], bytes(moov), *rest])


class TestChannelNumbers:
    @pytest.mark.parametrize("channel", [1, -1, 99])
    def test_a_channel_that_is_not_there(self, channel: int) -> None:
        with pytest.raises(AudioError, match=f"there is no channel {channel}") as caught:
            open_audio(wav_bytes(voice(0.1)), channel=channel)
        assert caught.value.code == "no-such-channel"


def test_nothing_is_printed() -> None:
    code = (
        "import sys; from earwitness.audio import decode\n"
        "from earwitness.errors import AudioError\n"
        "data = sys.stdin.buffer.read()\n"
        "for part in (data[:len(data) // 2], data[:300], data[100:]):\n"
        "    try: decode(part)\n"
        "    except AudioError: pass\n"
    )
    for name in ("mp3", "m4a", "flac", "opus"):
        kind = KIND[name]
        data = write(kind, np.stack([voice(1.0, kind.rate)] * kind.channels))
        done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
        assert done.stdout == done.stderr == b""


def test_a_small_file_that_unfolds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from earwitness.audio import AudioStream

    module = sys.modules[AudioStream.__module__]
    monkeypatch.setattr(module, "MAX_HOURS", 1 / 60)
    with open_audio(wav_bytes(np.zeros(8000 * 100), 8000, "u8")) as stream:
        seconds = sum(len(block) for block in stream) / 16_000
        assert 60 <= seconds < 75
        assert "only the first" in stream.warnings[0]
    monkeypatch.setattr(module, "MAX_HOURS", 100)
    monkeypatch.setattr(module, "MAX_WHOLE_HOURS", 1 / 60)
    with pytest.raises(AudioError) as caught:
        decode(wav_bytes(np.zeros(8000 * 100), 8000, "u8"))
    assert caught.value.code == "too-large"


def test_ten_minutes_of_silence_take_no_time() -> None:
    data = wav_bytes(np.zeros(16_000 * 600))
    before = time.process_time()
    assert decode(data).seconds == 600
    assert time.process_time() - before < 5
