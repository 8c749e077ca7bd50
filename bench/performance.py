"""Measure everything about speed in one run: ours, its parts, and what a user would pick instead.

    python bench/performance.py [--corpus MANIFEST --root FOLDER] [--only PART ...]

writes ``results/performance.csv``; ``python scripts/performance.py`` makes ``docs/performance.md`` and its plots of it.
Recordings are made here from the example clips. Training is measured only with ``--corpus``. On a quiet machine of two
cores it takes about 40 minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import scan
from rivals import rivals
from scan import Row
from stages import components, floor, stages
from throughput import throughput

TRIALS = 700_000


def metrics_speed(folder: Path) -> Iterator[Row]:  # noqa: ARG001 - the shape of a measure
    """Seconds for the metrics of a large evaluation, on one core."""
    from earwitness import metrics

    rng = np.random.default_rng(3)
    truth = rng.random(TRIALS) < 0.9
    scores = rng.standard_normal(TRIALS) + 2.0 * truth
    for name in ("eer", "auc", "min_dcf", "cllr"):
        function = getattr(metrics, name)
        spent = []
        for _ in range(5):
            start = time.process_time()
            function(scores, truth)
            spent.append(time.process_time() - start)
        yield "metric_cpu_seconds", f"{name} of {TRIALS:,} trials", sorted(spent)[2], min(spent), max(spent)


def training(folder: Path, *, corpus: Path | None, root: Path | None, steps: int = 60) -> Iterator[Row]:
    """Clips a second and the share of time spent waiting for data, for the shipped recipe on the machine's cores."""
    if corpus is None:
        print("training: left out, it needs --corpus", flush=True)
        return
    from earwitness.data.manifest import Manifest, read_manifest, write_manifest

    rows = read_manifest(corpus, root=root)
    kept: list[int] = []
    for split, most in (("train", 600), ("dev", 80)):
        for label in ("bonafide", "spoof"):
            found = [i for i, r in enumerate(rows) if r.split == split and r.label == label]
            kept += found[:: max(1, len(found) // (most // 2))][: most // 2]
    part: Manifest = rows.keeping(sorted(kept))
    write_manifest(part, folder / "part.csv")
    from earwitness.train.loop import Run
    from earwitness.train.material import open_material
    from earwitness.train.recipe import load_recipe

    wanted = [f"run.steps={steps}", f"run.evaluate_every={steps}", "run.codec_variants=0", "augment.codec_variant=0.0"]
    recipe = load_recipe("default", wanted)
    material = open_material(folder / "part.csv", recipe, folder / "cache", jobs=2)
    outcome = Run(recipe, material, folder / "run").fit()
    yield "training_clips_per_second", "recipe default", outcome.clips / (outcome.minutes * 60), None, None
    yield "training_waiting_share", "recipe default", outcome.waiting, None, None


def measures(corpus: Path | None, root: Path | None) -> dict[str, Callable[[Path], Iterator[Row]]]:
    """Every part, by name."""
    return {
        **scan.MEASURES,
        "stages": stages,
        "floor": floor,
        "components": components,
        "rivals": rivals,
        "throughput": throughput,
        "metrics": metrics_speed,
        "training": partial(training, corpus=corpus, root=root),
    }


def main() -> int:
    parser = scan.parser(list(measures(None, None)))
    parser.add_argument("--corpus", type=Path, help="a manifest with the splits train and dev")
    parser.add_argument("--root", type=Path, help="the folder of its paths")
    parser.add_argument("--note", default="", help="words for the column machine, such as: shared")
    given = parser.parse_args()
    return scan.measure(measures(given.corpus, given.root), given.only, given.out, note=given.note)


if __name__ == "__main__":
    raise SystemExit(main())
