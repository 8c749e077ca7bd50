"""What each choice of a recipe is worth: short runs with one thing changed, two seeds each, compared on dev.

    python bench/ablation.py MANIFEST --root CORPUS --cache CACHE [--steps 350] [--only augmentation …]

Each run is one ``earwitness train RECIPE --set …`` with the same steps, batch and thread; it is killed after --minutes
and then counts as failed. Finished runs are kept below --work and not made again, so the bench goes on where it was
stopped. The difference of a change is that to the recipe as it is, with the same seed, on the same clips, averaged over
the seeds; its interval draws whole sources, the same for both, and knows nothing of the spread between seeds, so the
difference of each seed stands beside it. A positive difference of the EER says that the recipe is better as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earwitness.data.manifest import Manifest, read_manifest
from earwitness.evaluate.bootstrap import draw_weights
from earwitness.evaluate.measures import Measures
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.evaluate.scores import Scores, meta_of
from earwitness.train.history import revision

ROOT = Path(__file__).resolve().parents[1]
METRICS = ("eer", "eer_mean_over_systems", "auc")
BASE = "as it is"
FACTORS: dict[str, dict[str, list[str]]] = {
    "augmentation": {"none": ["augment.probability=0.0", "augment.bands=0"]},
    "codec copies": {"none": ["augment.codec_variant=0.0"]},
    "sampling": {
        "not within sources": ["sampling.within_source=0.0"],
        "pairs, and copies beside their originals": [
            "sampling.pairs=0.15",
            'sampling.no_pair_source=["copy-synthesis", "classical-tts"]',
        ],
    },
    "front end": {
        "windows of 32 ms": ["frontend.settings.n_fft=512", "frontend.settings.hop=256", "frontend.settings.bins=256"],
        "log mel": ['frontend.name="log_mel"', "frontend.settings={}"],
    },
    "loss": {
        "cross-entropy alone": ['loss.name="bce"'],
        "with supervised contrast of pairs": [
            "sampling.pairs=0.15",
            'also=[{name="supcon", share=0.3, settings={within="pairs"}}]',
        ],
    },
    "adversary": {"of sources": ["adversary.share=0.1"]},
    "averaging": {"no average of the weights": ["optimizer.ema=0.0"]},
    "smoothing": {"no label smoothing": ["loss.settings.smoothing=0.0"]},
}
"""Factor → level → ``--set`` overrides. The level :data:`BASE` is the recipe itself."""


def levels(only: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """The recipe as it is, then every level of every factor (or of those named)."""
    unknown = sorted(set(only) - set(FACTORS))
    if unknown:
        raise SystemExit(f"unknown factor {unknown[0]!r}; known: {', '.join(FACTORS)}")
    chosen = {k: v for k, v in FACTORS.items() if not only or k in only}
    out = [("", BASE, [])]
    return out + [(factor, level, sets) for factor, several in chosen.items() for level, sets in several.items()]


def folder_of(work: Path, factor: str, level: str, seed: int) -> Path:
    """Where a run lies: words with dashes, and the seed."""
    name = "-".join("".join(c if c.isalnum() else " " for c in f"{factor} {level}").split())
    return work / f"{name}-seed{seed}"


def train(given: argparse.Namespace, sets: Sequence[str], seed: int, folder: Path) -> str:
    """Make one run unless it is there; an empty text, or why it failed."""
    done = folder / "done.json"
    if done.exists():
        return ""
    settings = [
        f"run.steps={given.steps}",
        f"run.batch={given.batch}",
        f"run.evaluate_every={given.steps}",
        f"seed={seed}",
        *given.set,
        *sets,
    ]
    words = [sys.executable, "-m", "earwitness", "train", given.recipe, "-m", str(given.manifest), "--no-export"]
    words += ["--out", str(folder / "run"), "--cache", str(given.cache)]
    words += ["--root", str(given.root)] if given.root else []
    words += [word for setting in settings for word in ("--set", setting)]
    threads = {name: str(given.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        try:
            ended = subprocess.run(
                words, env={**os.environ, **threads}, stdout=log, stderr=log, timeout=60 * given.minutes, check=False
            )
        except subprocess.TimeoutExpired:
            return f"not done after {given.minutes:g} min"
    if ended.returncode:
        return (folder / "log.txt").read_text(encoding="utf-8").strip()[-300:] or f"code {ended.returncode}"
    done.write_text(json.dumps({"minutes": (time.perf_counter() - start) / 60, "settings": settings}))
    return ""


def dev_scores(given: argparse.Namespace, manifest: Manifest, folder: Path) -> dict[str, Scores]:
    """Scores of dev as it is and after a codec, by the best weights of a run; kept beside the run."""
    kept = folder / "dev.npz"
    from earwitness.train.material import Recordings
    from earwitness.train.publish import load_run

    recipe, network, _ = load_run(folder / "run")
    material = Recordings(manifest, recipe, given.cache)
    rows = list(material.dev)
    if not kept.exists():
        import torch

        torch.set_num_threads(given.threads)
        clean, coded = material.logits(network, torch.device("cpu"))
        np.savez(kept, clean=clean, coded=coded)
    with np.load(kept, allow_pickle=False) as found:
        truth, meta = np.array([r.spoof for r in rows]), meta_of(rows)
        ids = tuple(r.id for r in rows)
        return {kind: Scores(ids, found[kind], truth, meta) for kind in ("clean", "coded")}


def figures(runs: Sequence[Scores], draws: int) -> dict[str, tuple[list[float], np.ndarray]]:
    """For each metric the value of every run, and the values of all draws averaged over the runs."""
    out: dict[str, tuple[list[float], np.ndarray]] = {}
    measures = [Measures(scores) for scores in runs]
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for weights in draw_weights(runs[0], ["source"], draws=draws, seed=0):
        several = [m(weights, METRICS) for m in measures]
        for name in METRICS:
            drawn[name].append(np.mean([one[name] for one in several], axis=0))
    for name in METRICS:
        out[name] = ([m.values([name])[name] for m in measures], np.concatenate(drawn[name]))
    return out


def rows_of(
    factor: str,
    level: str,
    mine: dict[str, list[Scores]],
    base: dict[str, list[Scores]],
    given: argparse.Namespace,
    commit: str,
) -> list[ResultRow]:
    """Values of a level, and its differences to the recipe as it is: mean over seeds with interval, and each seed's."""
    found, name = [], f"{given.recipe}: {factor}: {level}" if factor else f"{given.recipe}: {level}"
    fixed = (name, commit, given.dataset, "dev", "dev")
    for kind in ("clean", "coded"):
        ours, theirs = figures(mine[kind], given.draws), figures(base[kind], given.draws)
        for metric in METRICS:
            values, drawn = ours[metric]
            low, high = np.nanquantile(drawn, [0.025, 0.975])
            place = machine_name()
            found.append(ResultRow(*fixed, f"{metric}, {kind}", float(np.mean(values)), low, high, None, place))
            if not factor:
                continue
            before, base_drawn = theirs[metric]
            gaps = [a - b for a, b in zip(values, before, strict=True)]
            low, high = np.nanquantile(drawn - base_drawn, [0.025, 0.975])
            gap = f"{metric} difference, {kind}"
            found.append(ResultRow(*fixed, gap, float(np.mean(gaps)), low, high, None, place))
            found += [
                ResultRow(*fixed, f"{gap}, seed {seed}", each, machine=place)
                for seed, each in zip(given.seed, gaps, strict=True)
            ]
    return found


def main() -> int:
    """Run what is missing, then measure; exit code 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache/audio"))
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--recipe", default="wide")
    parser.add_argument("--only", nargs="*", default=[], help=", ".join(FACTORS))
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every run")
    parser.add_argument("--seed", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--dataset", default="demo-pages")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "ablation.csv")
    given = parser.parse_args()
    commit = revision()
    manifest, failed = read_manifest(given.manifest, root=given.root), 0
    base: dict[str, list[Scores]] = {}
    for factor, level, sets in levels(given.only):
        mine: dict[str, list[Scores]] = {"clean": [], "coded": []}
        for seed in given.seed:
            folder = folder_of(given.work, factor, level, seed)
            why = train(given, sets, seed, folder)
            if why:
                print(f"failed: {factor or 'recipe'}: {level}, seed {seed}: {why}", flush=True)
                failed += 1
                break
            for kind, scores in dev_scores(given, manifest, folder).items():
                mine[kind].append(scores)
        else:
            base = base or mine
            rows = rows_of(factor, level, mine, base, given, commit)
            append_rows(given.out, rows)
            for row in rows:
                if row.metric in ("eer, clean", "eer difference, clean", "eer difference, coded"):
                    print(f"{row.recipe}: {row.metric} {row.value:+.4f} [{row.low:+.4f}, {row.high:+.4f}]", flush=True)
            continue
        if not factor:
            print("the recipe as it is failed, so there is nothing to compare with")
            return 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
