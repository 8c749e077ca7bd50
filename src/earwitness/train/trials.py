"""Dev as the exported detector hears it: every clip under every condition, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from earwitness.augment.signals import RATE
from earwitness.data.manifest import Manifest, Row
from earwitness.detector import Detector
from earwitness.train.conditions import CONDITIONS


@dataclass(frozen=True)
class Trial:
    """One dev clip under one condition, as the exported detector hears it."""

    row: Row
    condition: str
    raw: float
    speech: float
    quality: dict[str, Any]
    answerable: bool


def hear(
    folder: Path,
    manifest: Manifest,
    conditions: Sequence[str],
    *,
    seed: int,
    jobs: int = 1,
    report: Callable[[int], None] | None = None,
) -> list[Trial]:
    """Every clip under every condition through the detector in ``folder``, but those too short to score.

    Windows, pooling and quality gate are the detector's own; nothing is calibrated. The order is that of the manifest.
    """
    work = [(folder, row, manifest.file(row), tuple(conditions), seed) for row in manifest]
    out: list[Trial] = []
    with ProcessPoolExecutor(jobs, get_context("spawn")) if jobs > 1 else nullcontext() as pool:
        each = pool.map(_hear_clip, work, chunksize=8) if pool else map(_hear_clip, work)
        for number, trials in enumerate(each):
            out += trials
            if report:
                report(number + 1)
    return out


@lru_cache(maxsize=1)
def _detector(folder: Path) -> Detector:
    return Detector.load(folder, threads=1)


def _hear_clip(work: tuple[Path, Row, Path, tuple[str, ...], int]) -> list[Trial]:
    from earwitness.audio import decode
    from earwitness.audio.gate import gate

    folder, row, file, conditions, seed = work
    samples = decode(file).samples
    out = []
    known: dict[bytes, Any] = {}
    for name in conditions:
        changed = CONDITIONS[name].samples(samples, seed=seed, clip=row.id)
        if len(changed) < 0.3 * RATE:
            continue
        if (key := changed.tobytes()) not in known:
            stream = _detector(folder).stream()
            stream.push(changed)
            known[key] = stream.finish()
        heard = known[key]
        if heard.raw is not None:
            reason, _ = gate(heard.quality)
            out.append(Trial(row, name, heard.raw, heard.speech, heard.quality.to_dict(), reason is None))
    return out


def kept_trials(
    path: Path,
    folder: Path,
    manifest: Manifest,
    *,
    seed: int,
    jobs: int = 1,
    conditions: Sequence[str] = tuple(CONDITIONS),
    report: Callable[[int], None] | None = None,
) -> list[Trial]:
    """What :func:`hear` gives for ``conditions``, read from ``path`` if it was heard there already, else written to it.

    Heard already means: the same network, speech detector, conditions, seed and rows.
    """
    digest = hashlib.sha256(json.dumps([seed, list(conditions), [[r.id, r.path, r.label] for r in manifest]]).encode())
    digest.update((folder / "model.onnx").read_bytes())
    for asset in sorted(files("earwitness.assets.speech").iterdir(), key=lambda p: p.name):
        if asset.is_file():
            digest.update(asset.read_bytes())
    key = digest.hexdigest()
    rows = {row.id: row for row in manifest}
    if path.exists():
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        if json.loads(first) == {"key": key}:
            return [Trial(**{**found, "row": rows[found["row"]]}) for found in map(json.loads, lines)]
    _detector.cache_clear()
    trials = hear(folder, manifest, conditions, seed=seed, jobs=jobs, report=report)
    lines = [json.dumps({"key": key}), *(json.dumps({**asdict(t), "row": t.row.id}) for t in trials)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return trials
