"""Where the seconds of a scan go: decoding, gate, network; what the floor is; what the parts cost alone.

Every figure is CPU time of one thread pinned to one core.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import inner
from scan import ROOT, Row, write

FORMATS = (
    ("wav", "pcm_s16le", None),
    ("flac", "flac", None),
    ("mp3", "libmp3lame", 64_000),
    ("m4a", "aac", 64_000),
    ("opus", "libopus", 32_000),
)
LENGTHS = (("4 s", 4.0, 7), ("60 s", 60.0, 3), ("1 h", 3600.0, 1))


def stages(folder: Path) -> Iterator[Row]:
    """CPU seconds per hour of audio for each format and length, in all and by stage; median of several scans."""
    for suffix, codec, rate in FORMATS:
        warm = folder / f"warm.{suffix}"
        write(warm, 4.0, codec, rate)
        for name, seconds, runs in LENGTHS:
            path = folder / f"{seconds:.0f}.{suffix}"
            write(path, seconds, codec, rate)
            found = inner.ask("split", str(warm), str(path), str(runs)) or []
            path.unlink()
            for stage, metric in (
                ("cpu", "scan_cpu_seconds_per_hour"),
                ("decode", "decode_cpu_seconds_per_hour"),
                ("gate", "gate_cpu_seconds_per_hour"),
                ("network", "network_cpu_seconds_per_hour"),
            ):
                values = [f[stage] / f["seconds"] * 3600 for f in found]
                yield metric, f"{name} {suffix}", statistics.median(values), min(values), max(values)
            factors = [f["cpu"] / f["seconds"] for f in found]
            yield "scan_realtime_factor", f"{name} {suffix}", statistics.median(factors), min(factors), max(factors)


def floor(folder: Path) -> Iterator[Row]:
    """Multiply-adds of the network, what this core can do of them, and the least that an hour of mp3 could cost."""
    model = ROOT / "src" / "earwitness" / "assets" / "default" / "model.onnx"
    info = json.loads((model.parent / "detector.json").read_text(encoding="utf-8"))
    seconds = float(info["window"]["seconds"])
    found = inner.ask("network", str(model), str(seconds))
    rates, costs = found["rates"], found["costs"]
    yield "window_seconds", "one window", seconds, None, None
    yield "network_multiply_adds", "one window", found["macs"], None, None
    yield "network_multiply_adds", "Fourier transforms in one window", found["transforms"], None, None
    yield "network_cpu_seconds", "one window", statistics.median(costs), costs[0], costs[-1]
    yield "multiply_adds_per_second", "matrix product, one core", statistics.median(rates), rates[0], rates[-1]
    least = 3600 / info["window"]["hop"] * found["macs"] / statistics.median(rates)
    yield "network_floor_seconds_per_hour", "multiply-adds at that rate", least, None, None
    for name, share in found["shares"].items():
        yield "network_share_of_time", name, share, None, None
    path = folder / "60.mp3"
    write(path, 60.0, "libmp3lame", 64_000)
    decoded = [c * 60 for c in inner.ask("plain_decoding", str(path))]
    middle = statistics.median(decoded)
    yield "decode_floor_seconds_per_hour", "mp3, FFmpeg and soxr alone", middle, decoded[0], decoded[-1]


def components(folder: Path) -> Iterator[Row]:  # noqa: ARG001 - the shape of a measure
    """CPU seconds for 4 s: front end and model alone, for each recipe that needs no foreign weights."""
    for recipe in sorted((ROOT / "src" / "earwitness" / "recipes").glob("*.toml")):
        for part, costs in (inner.ask("component", recipe.stem) or {}).items():
            value = statistics.median(costs)
            yield "component_cpu_seconds", f"{recipe.stem}: {part}, 4 s", value, costs[0], costs[-1]
