"""Copy-synthesis spoofs: human clips through a vocoder or a codec, paired with what they were made from.

A copy has the words, the voice, the length and the level of its original, so that only the generation tells them
apart. Both are written in one format (16 kHz, 16 bit, WAV), and the originals stand in the new manifest as they were
written.

Methods: ``griffin-lim``, ``lpc``, ``world``; ``codec-chain`` (MP3, AAC and Opus at low rates, in a drawn order); or
the folder or hub name of a neural vocoder or codec (:mod:`earwitness.data.neural_codecs`).
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.data.files import replacing
from earwitness.data.images import safe_name
from earwitness.data.manifest import BONAFIDE, LABELS, SPOOF, Manifest, Row
from earwitness.data.vocoders import VOCODERS, fitted
from earwitness.errors import AudioError, ConfigError, ManifestError
from earwitness.registry import find

RATE = 16_000
CHAIN = "codec-chain"
Samples = NDArray[np.float32]
Copy = Callable[[Samples, np.random.Generator], Samples]


def synthesise(
    manifest: Manifest,
    folder: Path,
    methods: Sequence[str],
    *,
    chain_label: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Copies of every bona fide clip by every method.

    What is in ``folder`` already is kept, so an interrupted run goes on; take an empty folder for another seed.

    Parameters
    ----------
    manifest:
        Its spoof rows are left out.
    folder:
        Where the copies go, ``folder/<method>/<id>.wav``, and the originals, ``folder/human/<id>.wav``.
    methods:
        Names of :data:`~earwitness.data.vocoders.VOCODERS`, ``codec-chain``, folders or hub names.
    chain_label:
        The label of ``codec-chain`` copies: a transmission codec changes a voice and does not make one, so whether they
        count as ``spoof`` or ``bonafide`` has to be said.
    seed:
        Of noise, phases and chains; with the id and the method it decides all of them.
    progress:
        Called with files done and in all.

    Returns
    -------
    Manifest
        The originals and the copies, rooted in ``folder``; a copy's ``pair`` is the id of its original.

    Raises
    ------
    ManifestError
        If there is no bona fide row or one cannot be read.
    ConfigError
        For an unknown method, or ``codec-chain`` without ``chain_label``.
    """
    humans = [(i, row) for i, row in enumerate(manifest) if row.label == BONAFIDE]
    if not humans:
        raise ManifestError(f"{manifest.where}: no bonafide row to copy")
    if CHAIN in methods and chain_label not in LABELS:
        raise ConfigError(
            f"{CHAIN}: is human speech after a transmission codec bonafide or spoof?", hint="--chain-label bonafide"
        )
    makers = {_system(method): _maker(method) for method in methods}
    total, done, rows = len(humans) * (1 + len(makers)), 0, []
    for index, row in humans:
        original: Samples | None = None
        for system, kind, maker in [("human", "human", None), *((s, k, m) for s, (m, k) in makers.items())]:
            path = Path(safe_name(system), f"{safe_name(row.id)}.wav")
            if not (folder / path).is_file():
                original = _read(manifest, index) if original is None else original
                made = original if maker is None else maker(original, _rng(seed, row.id, system))
                write_wav(folder / path, fitted(made, len(original)))
            rows.append(_row(row, path, system, kind, chain_label))
            done += 1
            if progress:
                progress(done, total)
    return Manifest(rows, root=folder, where=str(folder))


def _row(row: Row, path: Path, system: str, kind: str, chain_label: str | None) -> Row:
    if system == "human":
        return replace(row, path=path.as_posix(), system="human", kind="human")
    label = chain_label if system == CHAIN and chain_label else SPOOF
    return replace(
        row, path=path.as_posix(), id=f"{row.id}-{system}", label=label, system=system, kind=kind, pair=row.id
    )


def _system(method: str) -> str:
    return method if method in VOCODERS or method == CHAIN else Path(method).name


def _maker(method: str) -> tuple[Copy, str]:
    if method == CHAIN:
        return codec_chain, "transmission"
    if method in VOCODERS:
        return find(VOCODERS, method), "vocoder"
    if "/" not in method and not Path(method).exists():
        find(VOCODERS, method, kind="method of copy synthesis")
    from earwitness.data.neural_codecs import load

    return load(method)


def _rng(seed: int, name: str, system: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\0{name}\0{system}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _read(manifest: Manifest, index: int) -> Samples:
    from earwitness.audio import open_audio

    file = manifest.file(manifest[index])
    try:
        with open_audio(file) as stream:
            samples = np.concatenate([*stream, np.zeros(0, np.float32)])
    except AudioError as error:
        raise ManifestError(f"{manifest.place(index)}: {error.message}", hint=error.hint) from None
    if not len(samples):
        raise ManifestError(f"{manifest.place(index)}: {file}: no samples")
    return samples


def write_wav(path: Path, samples: Samples) -> None:
    """Mono 16 kHz samples as a 16-bit WAV file, replaced as a whole."""
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


_LINKS = (("mp3", "libmp3lame", 24_000), ("adts", "aac", 24_000), ("ogg", "libopus", 12_000))


def codec_chain(samples: Samples, rng: np.random.Generator) -> Samples:
    """Two or three lossy codecs one after another, in a drawn order, as a clip that is passed on collects them."""
    links = [_LINKS[i] for i in rng.permutation(len(_LINKS))[: int(rng.integers(2, len(_LINKS) + 1))]]
    for container, codec, bit_rate in links:
        samples = _aligned(_through(samples, container, codec, bit_rate), samples)
    return samples


def _through(samples: Samples, container: str, codec: str, bit_rate: int) -> Samples:
    import av

    from earwitness.audio import open_audio

    rate = 48_000 if codec == "libopus" else RATE
    content = io.BytesIO()
    with av.open(content, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate)
        stream.bit_rate, stream.layout = bit_rate, "mono"
        converter = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
        frame.sample_rate = RATE
        for part in (*converter.resample(frame), *converter.resample(None)):
            part.pts = None
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    content.seek(0)
    with open_audio(content) as decoded:
        return np.concatenate([*decoded, np.zeros(0, np.float32)])


def _aligned(copy: Samples, original: Samples) -> Samples:
    """The copy without the delay of the codec (at most 100 ms), found by correlation, at the original's length."""
    most = RATE // 10
    size = 1 << (len(original) + len(copy)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(copy, size) * np.conj(np.fft.rfft(original, size)), size)
    lags = np.concatenate((likeness[-most:], likeness[: most + 1]))
    lag = int(np.argmax(lags)) - most
    moved = copy[lag:] if lag >= 0 else np.concatenate((np.zeros(-lag, np.float32), copy))
    moved = moved[: len(original)]
    return np.pad(moved, (0, len(original) - len(moved))).astype(np.float32)
