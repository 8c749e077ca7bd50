"""Training examples of the speech and music detector: real speech, sounds of many kinds, and their mixtures.

Speech frames are named on the *clean* clip, before anything is mixed in: by Silero VAD's published network when its
ONNX file is given (``pip download --no-deps silero-vad``, MIT licence; a teacher at training time, never needed to
run), else by the level. What is uncertain is marked and does not train.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness.augment import sounds
from earwitness.augment.channel import Band, Clipping, Companding, Equalizer
from earwitness.augment.codec import Codec
from earwitness.augment.room import Room
from earwitness.augment.signals import RATE, Samples, coloured_noise, rms
from earwitness.errors import AudioError, TrainingError

HOP = 512
"""Samples of one frame: 32 ms at 16 kHz."""
IGNORE = -1
"""The mark of a frame that does not train."""

Targets = NDArray[np.int8]


@dataclass(frozen=True)
class Clip:
    """A clean clip and its speech frames: 1 speech, 0 none, -1 uncertain; ``ceil(samples / 512)`` of them."""

    samples: Samples
    speech: Targets


class Teacher:
    """Frame labels of clean speech, from Silero's ``silero_vad_16k_sequence.onnx``, or from the level alone.

    Parameters
    ----------
    network:
        The ONNX file, or ``None``: a frame is then speech when it lies within 30 dB of the clip's loud frames.

    Examples
    --------
    >>> Teacher(None)(np.zeros(1024, dtype=np.float32)).tolist()
    [0, 0]
    """

    def __init__(self, network: Path | None) -> None:
        self._session: Any = None
        if network is not None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])

    def __call__(self, samples: Samples) -> Targets:
        count = -(-len(samples) // HOP)
        padded = np.zeros(count * HOP, dtype=np.float32)
        padded[: len(samples)] = samples
        frames = padded.reshape(count, HOP)
        level = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)
        loud = float(np.percentile(level, 90)) if count else 0.0
        if loud < -70:
            return np.zeros(count, dtype=np.int8)
        if self._session is None:
            return np.where(level > loud - 25, 1, np.where(level > loud - 35, IGNORE, 0)).astype(np.int8)
        context = np.zeros((count, 64), dtype=np.float32)
        context[1:] = frames[:-1, -64:]
        state = np.zeros((1, 1, 128), dtype=np.float32)
        found = self._session.run(None, {"input": np.concatenate([context, frames], axis=1), "h": state, "c": state})
        probability = np.asarray(found[0]).reshape(-1)
        marks = np.where(probability > 0.6, 1, np.where(probability < 0.35, 0, IGNORE))
        marks[level < loud - 45] = 0
        return marks.astype(np.int8)


def read_clips(files: Iterable[Path], teacher: Teacher) -> list[Clip]:
    """The clean clips of ``files``, labelled by ``teacher``; clips without speech for it are left out."""
    from earwitness.audio import decode

    clips = []
    for file in files:
        samples = decode(file).samples
        marks = teacher(samples)
        if (marks == 1).sum() >= 10:
            clips.append(Clip(samples, marks))
    return clips


def read_sounds(folder: Path | None, *, seconds: float = 150.0) -> list[Samples]:
    """Every readable recording under ``folder``, each cut to ``seconds``; an empty list for ``None``."""
    from earwitness.audio import decode

    if folder is None:
        return []
    endings = {".ogg", ".oga", ".mp3", ".wav", ".flac", ".opus"}
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in endings)
    if not files:
        raise TrainingError(f"{folder}: no recordings", hint="give a folder of ogg, mp3, wav, flac or opus files")
    found = []
    for file in files:
        try:
            found.append(decode(file, max_seconds=seconds).samples)
        except AudioError:
            continue
    return found


@dataclass(frozen=True)
class Ingredients:
    """What examples are mixed from: clean clips, real music, real sounds (both may be empty)."""

    clips: Sequence[Clip]
    music: Sequence[Samples] = ()
    sounds: Sequence[Samples] = ()


def _music(length: int, ingredients: Ingredients, rng: np.random.Generator) -> Samples:
    if ingredients.music and rng.random() < 0.65:
        return _excerpt(ingredients.music[int(rng.integers(len(ingredients.music)))], length, rng)
    return sounds.make("music", length, rng)


def _sound(length: int, ingredients: Ingredients, rng: np.random.Generator) -> Samples:
    if ingredients.sounds and rng.random() < 0.25:
        return _excerpt(ingredients.sounds[int(rng.integers(len(ingredients.sounds)))], length, rng)
    kind = str(rng.choice(["noise", "tones", "environment"], p=[0.35, 0.25, 0.4]))
    return sounds.make(kind, length, rng)


def _excerpt(source: Samples, length: int, rng: np.random.Generator) -> Samples:
    start = int(rng.integers(max(1, len(source) - length)))
    cut = source[start : start + length]
    if len(cut) < length:
        repeats = -(-length // max(len(cut), 1))
        gap = np.zeros(int(rng.integers(1, RATE)), dtype=np.float32)
        cut = np.tile(np.concatenate([cut, gap]), repeats)[:length]
    peak = float(np.abs(cut).max(initial=0.0))
    return (cut / peak if peak > 1e-4 else cut).astype(np.float32)


def _speech(frames: int, clips: Sequence[Clip], rng: np.random.Generator) -> tuple[Samples, Targets]:
    """Clips one after another with pauses; each with its own room, band and level."""
    out, marks = np.zeros(frames * HOP, dtype=np.float32), np.zeros(frames, dtype=np.int8)
    at = int(rng.integers(0, 40)) if rng.random() < 0.7 else 0
    level = rng.uniform(-8, 0)
    while at < frames - 6:
        clip = clips[int(rng.integers(len(clips)))]
        samples = clip.samples
        if rng.random() < 0.2:
            samples = Room()(samples, rng)
        count = min(len(clip.speech), frames - at)
        piece = samples[: count * HOP] * np.float32(10 ** ((level + rng.uniform(-4, 0)) / 20))
        out[at * HOP : at * HOP + len(piece)] = piece
        marks[at : at + count] = clip.speech[:count]
        at += count + (0 if rng.random() < 0.3 else int(rng.integers(0, 70)))
    return out, marks


def _channel(samples: Samples, rng: np.random.Generator) -> Samples:
    """The way of the whole mixture: bands, telephone, codecs, clipping, level."""
    draw = rng.random()
    if draw < 0.12:
        samples = Companding()(samples, rng)
    elif draw < 0.25:
        samples = Band()(samples, rng)
    elif draw < 0.33:
        samples = Equalizer()(samples, rng)
    if rng.random() < 0.15:
        samples = Codec(twice=0.0)(samples, rng)
    if rng.random() < 0.04:
        samples = Clipping()(samples, rng)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1e-3:
        samples = samples * np.float32(10 ** (rng.uniform(-40, 0) / 20) / peak)
    if rng.random() < 0.3:
        samples = samples + coloured_noise(len(samples), rng.uniform(0, 1.5), rng) * 10 ** (rng.uniform(-95, -65) / 20)
    return np.clip(samples, -1, 1).astype(np.float32)


def example(ingredients: Ingredients, rng: np.random.Generator, *, frames: int = 250) -> tuple[Samples, Targets]:
    """One example: ``frames * 512`` samples and ``(frames, 2)`` marks (speech, music; 1, 0, or -1 for uncertain).

    Half of the examples hold speech: most over noise at 0 to 40 dB, a quarter over music. The others hold none.
    """
    length = frames * HOP
    marks = np.zeros((frames, 2), dtype=np.int8)
    out = np.zeros(length, dtype=np.float32)
    if rng.random() < 0.5:
        out, marks[:, 0] = _speech(frames, ingredients.clips, rng)
        power = rms(out[np.repeat(marks[:, 0] == 1, HOP)]) if (marks[:, 0] == 1).any() else rms(out)
        draw = rng.random()
        if draw < 0.25:
            under = _music(length, ingredients, rng)
            gain = 10 ** (-rng.uniform(0, 25) / 20)
        elif draw < 0.85:
            under = _sound(length, ingredients, rng)
            gain = 10 ** (-rng.uniform(0, 40) / 20)
        else:
            under, gain = np.zeros(length, dtype=np.float32), 0.0
        if gain:
            under = under * np.float32(gain * power / rms(under))
            if draw < 0.25:
                marks[:, 1] = _audible(under, power)
            out = out + under
    elif rng.random() < 0.45:
        out = _music(length, ingredients, rng)
        marks[:, 1] = _audible(out, rms(out))
        if rng.random() < 0.2:
            out = out + _sound(length, ingredients, rng) * np.float32(rms(out) * 10 ** (-rng.uniform(3, 30) / 20))
    else:
        out = _sound(length, ingredients, rng)
        if rng.random() < 0.25:
            out = out + _sound(length, ingredients, rng) * np.float32(rng.uniform(0, 1))
    return _channel(out, rng), marks


def _audible(music: Samples, reference: float) -> Targets:
    """1 where there is music, 0 where it is 50 dB under ``reference``, uncertain between and in short rests."""
    power = np.mean(np.square(music.reshape(-1, HOP), dtype=np.float64), axis=1)
    level = 10 * np.log10(power + 1e-14) - 20 * np.log10(reference)
    near = np.convolve(level > -35, np.ones(32), mode="same") > 0
    return np.where(level > -35, 1, np.where(near, IGNORE, 0)).astype(np.int8)
