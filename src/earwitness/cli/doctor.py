"""``earwitness doctor``: what is installed, which detector is used, and whether it runs. Exit code 1 if it does not."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

#: extra -> the modules that it brings
EXTRAS = {
    "train": ("torch", "transformers", "accelerate", "onnx", "onnxscript", "sklearn", "scipy", "polars", "safetensors"),
    "batch": ("polars", "pyarrow", "fsspec"),
    "serve": (
        "fastapi",
        "uvicorn",
        "python_multipart",
        "websockets",
        "sqlalchemy",
        "alembic",
        "prometheus_client",
        "psycopg",
        "cryptography",
        "rfc8785",
    ),
    "ray": ("ray",),
    "synth": ("pyworld",),
}
PACKAGES = ("numpy", "av", "soxr", "onnxruntime", "typer", "rich")
#: codecs that people's recordings come in
CODECS = ("pcm_s16le", "pcm_mulaw", "flac", "mp3", "aac", "vorbis", "opus", "amrnb", "amrwb", "wmav2", "alac")


def doctor(
    detector: Annotated[Path | None, typer.Option(help="Detector folder in place of the one that ships.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is installed, which detector is used, and whether it runs."""
    facts = examine(detector)
    if json:
        from json import dumps

        typer.echo(dumps(facts, indent=1, allow_nan=False))
    else:
        _show(facts)
    if not facts["detector"]["ok"]:
        raise typer.Exit(1)


def examine(detector: Path | None = None) -> dict[str, Any]:
    """All that the command shows, as a dictionary."""
    import earwitness

    return {
        "earwitness": earwitness.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "ffmpeg": _ffmpeg(),
        "extras": {name: [m for m in modules if not _there(m)] for name, modules in EXTRAS.items()},
        "detector": _detector(detector),
    }


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _there(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _ffmpeg() -> dict[str, Any]:
    try:
        import av
    except ImportError as error:
        return {"ok": False, "error": str(error), "libraries": {}, "missing": list(CODECS)}
    known = av.codecs_available
    versions = {name: ".".join(map(str, number)) for name, number in sorted(av.library_versions.items())}
    return {"ok": True, "error": None, "libraries": versions, "missing": [c for c in CODECS if c not in known]}


def _detector(folder: Path | None) -> dict[str, Any]:
    """Load the detector, find speech in a made signal and score it, twice: a sound detector gives the same again."""
    from earwitness.detector import default_folder, load_detector
    from earwitness.errors import EarwitnessError

    place = str(folder or default_folder())
    start = time.perf_counter()
    try:
        found = load_detector(folder)
        loaded = time.perf_counter()
        score = found.score(_signal(found.info.window.seconds))
        scored = time.perf_counter()
        again = found.score(_signal(found.info.window.seconds))
        done = time.perf_counter()
    except EarwitnessError as error:
        return {"ok": False, "folder": place, "error": error.to_dict()}
    info = found.info
    return {
        "ok": score.raw == again.raw,
        "folder": place,
        "error": None,
        **info.name,
        "test_llr": score.llr,
        "load_seconds": round(loaded - start, 4),
        "first_score_seconds": round(scored - loaded, 4),
        "score_seconds": round(done - scored, 4),
        "window_seconds": info.window.seconds,
    }


def _signal(seconds: float) -> Any:
    """A gliding tone of 120 to 180 Hz with 30 harmonics, at -20 dBFS or so; float32 at 16 kHz."""
    import numpy as np

    t = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * (120 * t + 30 * t * t / max(seconds, 1.0))
    wave = sum(np.sin(k * phase) / k for k in range(1, 31))
    return np.asarray(0.1 * wave / np.abs(wave).max(), dtype=np.float32)


def _show(facts: dict[str, Any]) -> None:
    from earwitness.cli.common import Painter, coloured, say

    paint = Painter(on=coloured(sys.stdout))

    def line(name: str, text: str, fine: bool | None = None) -> None:
        mark = "" if fine is None else paint("ok ", "green") if fine else paint("NO ", "bold", "red")
        say(f"{paint(name.ljust(12), 'dim')} {mark}{text}")

    line("earwitness", f"{facts['earwitness']}, Python {facts['python']}, {facts['cores']} cores, {facts['platform']}")
    for name, version in facts["packages"].items():
        line("package", f"{name} {version or 'not installed'}", version is not None)
    ffmpeg = facts["ffmpeg"]
    missing = ("no decoder for " + ", ".join(ffmpeg["missing"])) if ffmpeg["missing"] else f"all of {', '.join(CODECS)}"
    line("ffmpeg", missing, ffmpeg["ok"] and not ffmpeg["missing"])
    for name, absent in facts["extras"].items():
        line("extra", f"[{name}] " + ("installed" if not absent else "not installed: " + ", ".join(absent)))
    found = facts["detector"]
    line("detector", found["folder"])
    if found["error"] is not None:
        line("", found["error"]["message"], False)
        if found["error"]["hint"]:
            line("", "hint: " + found["error"]["hint"])
        return
    line("", f"{found['id']} {found['version']}, sha256 {found['sha256']}", True)
    line("", f"settings {found['settings']}")
    took = f"{found['window_seconds']:g} s window in {1000 * found['score_seconds']:.0f} ms"
    line("", f"runs: loaded in {1000 * found['load_seconds']:.0f} ms, {took}", found["ok"])
