"""Long recordings from short clips: those of one speaker and source joined with room tone, and splices in them.

    python scripts/long_recordings.py MANIFEST --root CORPUS --split dev --out FOLDER

writes ``human-000.wav`` … (people only), ``generated-000.wav`` … (one system, speaker and source each) and
``splice-000.wav`` … (2 s of generated speech at the level of the human speech around it), with ``manifest.csv`` that
says where the generated part lies (``start``, ``end``). ``bench/long_recordings.py`` uses the same material. Everything
depends on the seed and the manifest alone.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.audio import decode
from earwitness.augment.codec import encoded
from earwitness.augment.signals import RATE, clip_seed, coloured_noise
from earwitness.data.manifest import Manifest, Row, read_manifest

Samples = NDArray[np.float32]
FRAME = RATE // 50
PAUSE = (0.25, 1.0)
"""Seconds of room tone between two clips."""
SPLICE = 2.0
"""Seconds of generated speech in a splice."""
HOST = (16.0, 40.0)
"""Least and most seconds of human speech around it."""
LONGEST = 1800.0


@dataclass(frozen=True)
class Material:
    """One recording: its name, samples, and where generated speech lies, in seconds; the clips that it was made of."""

    name: str
    kind: str
    samples: Samples
    start: float
    end: float
    clips: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


Load = Callable[[Row], Samples]


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Clips of one label, system, speaker and source, in the manifest's order."""
    found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[row.label, row.system, row.speaker, row.source].append(row)
    return list(found.values())


def levels(samples: Samples) -> NDArray[np.float64]:
    """Root mean square of every 20 ms."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-14)


def speech_level(samples: Samples) -> float:
    """Root mean square of the frames within 30 dB of the loudest: the level of the speech without its pauses."""
    found = levels(samples)
    return float(np.sqrt(np.mean(found[found > found.max() * 10 ** (-30 / 20)] ** 2)))


def joined(pieces: Sequence[Samples], rng: np.random.Generator) -> Samples:
    """Clips one after another at one speech level, with pauses of room tone: noise as loud as their quietest tenth."""
    target = speech_level(pieces[0])
    floor = float(np.median([np.quantile(levels(p), 0.1) * target / speech_level(p) for p in pieces]))
    out: list[Samples] = []
    for piece in pieces:
        pause = coloured_noise(int(rng.uniform(*PAUSE) * RATE), 1.0, rng) * np.float32(max(floor, 1e-5))
        out += [pause, piece * np.float32(target / speech_level(piece))]
    whole = np.concatenate([*out, pause])
    return (whole * np.float32(min(1.0, 0.95 / max(float(np.abs(whole).max()), 1e-9)))).astype(np.float32)


def whole(rows: Sequence[Row], load: Load, kind: str, *, seed: int, least: float = 8.0) -> Iterator[Material]:
    """One recording of every group with ``least`` seconds of clips; long groups give several of :data:`LONGEST`."""
    number = 0
    for group in groups(rows):
        part: list[Row] = []
        for row in [*group, None]:
            filled = sum(float(r.get("seconds") or 0) for r in part)
            if part and (row is None or filled > LONGEST):
                if filled >= least:
                    rng = np.random.default_rng(clip_seed(seed, 1, part[0].id))
                    samples = joined([load(r) for r in part], rng)
                    end = len(samples) / RATE if kind == "generated" else 0.0
                    yield Material(f"{kind}-{number:03d}", kind, samples, 0.0, end, tuple(r.id for r in part))
                    number += 1
                part = []
            if row is not None:
                part.append(row)


def busiest(samples: Samples, seconds: float) -> Samples:
    """The stretch of this length with most energy."""
    size = int(seconds * RATE)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, max(1, len(samples) - size), FRAME)
    best = int(starts[int(np.argmax(energy[np.minimum(starts + size, len(samples))] - energy[starts]))])
    return samples[best : best + size]


def splices(rows: Sequence[Row], load: Load, *, count: int, seed: int) -> Iterator[Material]:
    """``count`` recordings of human speech in which 2 s are replaced by generated speech at the level around them.

    Hosts are drawn evenly over sources; the generated clip comes from the host's own source where that has any, so that
    microphone and codec tell nothing, else from any.
    """
    hosts = [g for g in groups([r for r in rows if not r.spoof]) if _seconds(g) >= HOST[0]]
    by_source: dict[str, list[list[Row]]] = defaultdict(list)
    for group in hosts:
        by_source[group[0].source].append(group)
    fakes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.spoof and float(row.get("seconds") or 0) >= SPLICE:
            fakes[row.source].append(row)
    both = [s for s in by_source if s in fakes] or list(by_source)
    everything = [row for several in fakes.values() for row in several]
    for number in range(count):
        rng = np.random.default_rng([seed, 2, number])
        source = both[rng.integers(len(both))]
        group = by_source[source][rng.integers(len(by_source[source]))]
        own = fakes.get(source) or everything
        systems = sorted({row.system for row in own})
        system = systems[rng.integers(len(systems))]
        several = [row for row in own if row.system == system]
        fake = several[rng.integers(len(several))]
        yield replace(_spliced(group, fake, load, rng), name=f"splice-{number:03d}")


def _seconds(group: Sequence[Row]) -> float:
    return sum(float(r.get("seconds") or 0) for r in group)


def _spliced(group: Sequence[Row], fake: Row, load: Load, rng: np.random.Generator) -> Material:
    order = [group[i] for i in rng.permutation(len(group))]
    chosen: list[Row] = []
    while order and _seconds(chosen) < HOST[1]:
        chosen.append(order.pop())
    host = joined([load(r) for r in chosen], rng)
    piece = busiest(load(fake), SPLICE)
    room = len(host) - len(piece)
    # not at the very edges, so that there is human speech on both sides
    start = int(rng.integers(room // 6, room - room // 6)) // FRAME * FRAME
    around = host[max(0, start - 2 * RATE) : start + len(piece) + 2 * RATE]
    piece = piece * np.float32(speech_level(around) / speech_level(piece))
    fade = np.minimum(1.0, np.arange(len(piece)) / (0.01 * RATE)).astype(np.float32)
    fade = np.minimum(fade, fade[::-1])
    out = host.copy()
    out[start : start + len(piece)] = out[start : start + len(piece)] * (1 - fade) + piece * fade
    peak = float(np.abs(out).max())
    out = out * np.float32(min(1.0, 0.98 / max(peak, 1e-9)))
    ids = (*(r.id for r in chosen), fake.id)
    return Material("splice", "splice", out, start / RATE, (start + len(piece)) / RATE, ids)


def loader(manifest: Manifest) -> Load:
    """Decodes a row's file; the last few hundred clips are kept, because splices use them again."""
    known: dict[str, Samples] = {}

    def load(row: Row) -> Samples:
        if row.id not in known:
            if len(known) > 1200:
                known.clear()
            known[row.id] = decode(manifest.file(row)).samples
        return known[row.id]

    return load


def everything(manifest: Manifest, *, count: int, seed: int) -> Iterator[Material]:
    """Human recordings, generated ones, splices."""
    rows, load = list(manifest), loader(manifest)
    yield from whole([r for r in rows if not r.spoof], load, "human", seed=seed, least=4.0)
    yield from whole([r for r in rows if r.spoof], load, "generated", seed=seed)
    yield from splices(rows, load, count=count, seed=seed)


def main() -> None:
    """Write the material."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--splices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(given.manifest, root=given.root).filter(split=given.split)
    with (given.out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "kind", "seconds", "start", "end", "clips"])
        for m in everything(manifest, count=given.splices, seed=given.seed):
            (given.out / f"{m.name}.wav").write_bytes(encoded(m.samples, "wav"))
            label = "bonafide" if m.kind == "human" else "spoof"
            where = [f"{m.seconds:.2f}", f"{m.start:.2f}", f"{m.end:.2f}"]
            writer.writerow([f"{m.name}.wav", label, m.kind, *where, " ".join(m.clips)])


if __name__ == "__main__":
    main()
