"""Make the example clips of this folder: every voice in them comes out of a machine.

    python examples/make_clips.py            writes examples/clips/ and the table in examples/README.md

Needs the base install, the program ``espeak-ng`` (a Debian package) for the clips that it speaks, and, for the two
vocoded clips, the CMU ARCTIC recording that ``human_clip.py`` fetches. A clip whose source is missing is left as it
is, and named.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from human_clip import Unreachable, human_clip
from numpy.typing import NDArray

Samples = NDArray[np.float32]
HERE = Path(__file__).resolve().parent
RATE = 16_000
SENTENCE = "You are listening to a machine, not to a person."
LIMIT = 60_000
BEGIN, END = "<!-- clips:begin -->", "<!-- clips:end -->"


def espeak(text: str) -> Samples:
    """``text`` spoken by espeak-ng's formant synthesiser (voice en-us), mono 16 kHz."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise Unreachable("the program espeak-ng is not installed")
    done = subprocess.run([program, "-v", "en-us", "-s", "165", "--stdout", text], capture_output=True, check=True)
    return read(io.BytesIO(done.stdout))


def read(source: Any) -> Samples:
    """A recording as mono float32 at 16 kHz."""
    with av.open(source) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float32)


def stft(samples: NDArray[Any], size: int, hop: int) -> NDArray[np.complex128]:
    """Short-time spectra ``(frames, size // 2 + 1)`` under a Hann window."""
    padded = np.pad(samples.astype(np.float64), (size, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    return np.fft.rfft(frames * np.hanning(size + 1)[:-1], axis=1)


def istft(spectra: NDArray[np.complex128], size: int, hop: int, length: int) -> NDArray[np.float64]:
    """Weighted overlap-add: the inverse of :func:`stft` for spectra that belong to a signal."""
    window = np.hanning(size + 1)[:-1]
    out = np.zeros(hop * (len(spectra) - 1) + size)
    weight = np.zeros_like(out)
    for i, frame in enumerate(np.fft.irfft(spectra, n=size, axis=1) * window):
        out[i * hop : i * hop + size] += frame
        weight[i * hop : i * hop + size] += window**2
    whole = out / np.maximum(weight, 1e-8)
    return np.pad(whole, (0, max(0, length + size - len(whole))))[size : size + length]


def griffin_lim(samples: Samples, *, size: int = 512, hop: int = 128, bands: int = 40, rounds: int = 60) -> Samples:
    """Copy synthesis: a coarse magnitude spectrum (``bands`` mel-spaced bands) kept, every phase invented.

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP 1984.
    """
    magnitude = np.abs(stft(samples, size, hop))
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    bank = np.stack([np.interp(hertz, centres[i : i + 3], [0, 1, 0]) for i in range(bands)])
    kept = np.maximum(magnitude @ bank.T @ np.linalg.pinv(bank).T, 1e-6)
    phase = np.exp(2j * np.pi * np.random.default_rng(7).random(kept.shape))
    for _ in range(rounds):
        again = stft(istft(kept * phase, size, hop, len(samples)), size, hop)[: len(kept)]
        phase = np.exp(1j * np.angle(np.pad(again, ((0, len(kept) - len(again)), (0, 0)))))
    return level(istft(kept * phase, size, hop, len(samples)))


def lpc_vocoder(samples: Samples, *, order: int = 18, size: int = 480, hop: int = 160) -> Samples:
    """Linear prediction with an invented source: pulses where the voice is periodic, noise elsewhere.

    Atal and Hanauer, "Speech analysis and synthesis by linear prediction of the speech wave", JASA 1971.
    """
    rng = np.random.default_rng(7)
    x = np.append(samples[0], samples[1:] - 0.95 * samples[:-1]).astype(np.float64)
    out = np.zeros(len(x) + size)
    past = np.zeros(order)
    until_pulse = 0
    for start in range(0, len(x) - size, hop):
        frame = x[start : start + size] * np.hamming(size)
        lags = np.correlate(frame, frame, "full")[size - 1 :]
        matrix = lags[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        filter_ = np.linalg.solve(matrix + 1e-6 * (lags[0] + 1e-9) * np.eye(order), lags[1 : order + 1])
        gain = np.sqrt(max(lags[0] - filter_ @ lags[1 : order + 1], 0.0) / np.sum(np.hamming(size) ** 2))
        period = RATE // 300 + int(np.argmax(lags[RATE // 300 : RATE // 70]))
        source = rng.normal(size=hop)
        if lags[period] > 0.35 * lags[0]:
            source = np.zeros(hop)
            while until_pulse < hop:
                source[until_pulse] = np.sqrt(period)
                until_pulse += period
            until_pulse -= hop
        else:
            until_pulse = 0
        for i in range(hop):
            value = gain * source[i] + filter_ @ past
            past = np.append(value, past[:-1])
            out[start + i] = value
    for i in range(1, len(out)):
        out[i] += 0.95 * out[i - 1]
    return level(out[: len(x)])


def tones(seconds: float = 4.0) -> Samples:
    """No speech: three tones one after another, then soft noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = np.select([t < 1, t < 2, t < 3], [440.0, 660.0, 880.0], 0.0)
    noise = np.random.default_rng(7).normal(size=len(t))
    return level(np.sin(2 * np.pi * np.cumsum(pitch) / RATE) + 0.05 * noise, peak=0.5)


def level(samples: NDArray[Any], peak: float = 0.8) -> Samples:
    """``samples`` scaled to a peak."""
    return (peak * samples / np.max(np.abs(samples))).astype(np.float32)


def write(blocks: Iterable[Samples], path: Path, codec: str, bit_rate: int | None) -> None:
    """Encode ``blocks`` (mono 16 kHz) with FFmpeg through PyAV; the container follows from the file's suffix."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        context = stream.codec_context
        resampler = av.AudioResampler(format=context.format, layout="mono", rate=RATE)
        fifo = av.AudioFifo()

        def encode(frames: Iterable[av.AudioFrame], *, last: bool) -> None:
            for frame in frames:
                frame.pts = None
                fifo.write(frame)
            while (chunk := fifo.read(context.frame_size or 1024, partial=last)) is not None:
                container.mux(stream.encode(chunk))

        for block in blocks:
            frame = av.AudioFrame.from_ndarray((block * 32767).astype(np.int16)[None], format="s16", layout="mono")
            frame.sample_rate = RATE
            encode(resampler.resample(frame), last=False)
        encode(resampler.resample(None), last=True)
        container.mux(stream.encode(None))


def recipes(cache: Path) -> dict[str, tuple[Callable[[], Samples], str, int | None, str]]:
    """``file name -> (maker, codec, bit rate, what it is)``."""

    def person() -> Samples:
        return read(str(human_clip(cache)))

    return {
        "espeak.flac": (lambda: level(espeak(SENTENCE)), "flac", None, "espeak-ng, voice en-us: formant synthesis"),
        "griffin-lim.opus": (
            lambda: griffin_lim(person()),
            "libopus",
            32_000,
            "CMU ARCTIC awb a0007, modified: 40 mel bands kept, phase invented by Griffin and Lim's algorithm",
        ),
        "lpc.mp3": (
            lambda: lpc_vocoder(person()),
            "libmp3lame",
            48_000,
            "CMU ARCTIC awb a0007, modified: linear prediction, the source replaced by pulses and noise",
        ),
        "tones.m4a": (tones, "aac", 48_000, "three tones and soft noise: no speech in it"),
        "short.wav": (
            lambda: level(espeak("Yes."))[:8000],
            "pcm_s16le",
            None,
            "espeak-ng: one word, too short to judge",
        ),
    }


def make(folder: Path, cache: Path) -> list[str]:
    """Write every clip that can be made here; returns why the others could not."""
    folder.mkdir(parents=True, exist_ok=True)
    left = []
    for name, (maker, codec, bit_rate, _) in recipes(cache).items():
        try:
            write([maker()], folder / name, codec, bit_rate)
        except Unreachable as why:
            left.append(f"{name}: {why}")
    return left


def table(folder: Path, cache: Path) -> str:
    """The clips as a Markdown table, with size and sha256 of what lies in ``folder``."""
    lines = ["| clip | what it is | bytes | sha256 |", "|---|---|---|---|"]
    for name, (*_, what) in recipes(cache).items():
        data = (folder / name).read_bytes()
        lines.append(f"| `clips/{name}` | {what} | {len(data)} | `{hashlib.sha256(data).hexdigest()}` |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="make the example clips")
    parser.add_argument("--out", type=Path, default=HERE / "clips")
    parser.add_argument("--cache", type=Path, default=HERE.parent / ".cache")
    options = parser.parse_args()
    left = make(options.out, options.cache)
    for line in left:
        print(f"not made: {line}", file=sys.stderr)
    too_big = [p.name for p in options.out.iterdir() if p.stat().st_size > LIMIT]
    if too_big:
        print(f"over {LIMIT} bytes: {', '.join(too_big)}", file=sys.stderr)
    readme = HERE / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    body = f"{BEGIN}\n{table(options.out, options.cache)}\n{END}"
    readme.write_text(head + body + rest.partition(END)[2], encoding="utf-8")
    return 1 if left or too_big else 0


if __name__ == "__main__":
    raise SystemExit(main())
