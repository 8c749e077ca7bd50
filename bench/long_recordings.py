"""False alarms of spans in whole human recordings, splices that are found, and how windows are best pooled.

    python bench/long_recordings.py MANIFEST --root CORPUS --detector FOLDER --split dev --choose --write
    python bench/long_recordings.py MANIFEST --root CORPUS --out results/long_recordings.csv

The material is that of ``scripts/long_recordings.py``. ``--choose`` looks for the settings of spans and the pooling on
dev and, with ``--write``, puts them into the detector folder; without it the settings that stand there are measured.
Recordings are heard once and kept below --work, so choosing and measuring again take seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from earwitness import metrics
from earwitness.augment.codec import encoded
from earwitness.data.manifest import Manifest, read_manifest
from earwitness.detector import Detector, load_detector
from earwitness.detector_folder import CARD, MODEL, write_detector
from earwitness.evaluate.rows import ResultRow, append_rows, machine_name
from earwitness.metrics.shares import upper_limit, wilson
from earwitness.pooling import POOLINGS, SpanRule, Stretch, pool, spans

ROOT = Path(__file__).resolve().parents[1]
MOST_PER_HALF_HOUR = 2.0
WANTED = 0.60
OWN = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a recording's own middle that are tried."""


@dataclass(frozen=True)
class Heard:
    """One recording as the detector heard it; ``windows`` are start, end, raw score, LLR and new seconds of speech."""

    name: str
    kind: str
    seconds: float
    start: float
    end: float
    reason: str | None
    speech: float
    windows: list[list[float]]

    def spans(self, rule: SpanRule) -> list[Stretch]:
        """The spans that a scan reports."""
        return [] if self.reason else spans([Stretch(w[0], w[1], w[3]) for w in self.windows], rule)


def script() -> ModuleType:
    """``scripts/long_recordings.py``."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import long_recordings as made
    finally:
        sys.path.pop(0)
    if Path(made.__file__ or "").parent.name != "scripts":
        raise SystemExit("scripts/long_recordings.py is missing")
    return made


def hear(detector: Detector, manifest: Manifest, work: Path, *, count: int, seed: int) -> list[Heard]:
    """All material through the detector, from what is kept where it was heard before."""
    info = detector.info
    facts = [info.sha256, info.data.get("calibration"), info.data.get("window"), [r.id for r in manifest], count, seed]
    work.mkdir(parents=True, exist_ok=True)
    kept = work / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.jsonl"
    found: dict[str, Heard] = {}
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            try:
                one = Heard(**json.loads(line))
            except (ValueError, TypeError):
                # the last line of a run that was cut off
                continue
            found[one.name] = one
    if "all" in found:
        return [h for name, h in found.items() if name != "all"]
    with kept.open("a", encoding="utf-8") as file:
        for made in script().everything(manifest, count=count, seed=seed):
            if made.name in found:
                continue
            heard = detector.score_file(encoded(made.samples, "wav"))
            windows = [[w.start, w.end, w.raw, w.llr, w.fresh] for w in heard.windows]
            facts = (made.name, made.kind, made.seconds, made.start, made.end, heard.reason, heard.speech, windows)
            found[made.name] = Heard(*facts)
            file.write(json.dumps(vars(found[made.name])) + "\n")
            file.flush()
        file.write(json.dumps(vars(Heard("all", "", 0, 0, 0, None, 0, []))) + "\n")
    return list(found.values())


def alarms(heard: Sequence[Heard], rule: SpanRule) -> tuple[int, float]:
    """Spans in human recordings, and hours of them."""
    human = [h for h in heard if h.kind == "human"]
    return sum(len(h.spans(rule)) for h in human), sum(h.seconds for h in human) / 3600


def found_splices(heard: Sequence[Heard], rule: SpanRule) -> tuple[int, int]:
    """Splices that overlap a reported span, and splices in all."""
    parts = [h for h in heard if h.kind == "splice"]
    hits = sum(any(s.start < h.end and s.end > h.start for s in h.spans(rule)) for h in parts)
    return hits, len(parts)


def choose(heard: Sequence[Heard]) -> tuple[SpanRule, list[tuple[SpanRule, int, float]]]:
    """The rule that finds most splices among those with at most two spans in half an hour of human speech; and all."""
    tried = []
    for own in OWN:
        for cover in ("mean", "max"):
            for threshold in np.arange(-2.0, 12.0, 0.1):
                rule = SpanRule(round(float(threshold), 2), own, cover)
                count, hours = alarms(heard, rule)
                if count <= MOST_PER_HALF_HOUR * 2 * hours:
                    hits, of = found_splices(heard, rule)
                    tried.append((rule, count, hits / max(of, 1)))
                    break
    # of equally good ones the plainest
    return max(tried, key=lambda t: (round(t[2], 3), -t[0].own, t[0].cover == "mean"))[0], tried


def poolings(heard: Sequence[Heard]) -> dict[str, float]:
    """EER of whole recordings, human against generated, for each way of pooling raw scores."""
    whole = [h for h in heard if h.kind in ("human", "generated") and h.windows]
    spoof = [h.kind == "generated" for h in whole]
    out = {}
    for name in POOLINGS:
        scores = [pool([w[2] for w in h.windows], [w[4] for w in h.windows], name) for h in whole]
        out[name] = metrics.eer(np.array(scores), np.array(spoof))
    return out


def write(detector: Detector, rule: SpanRule, split: str) -> None:
    """Put the rule into the detector folder."""
    info = dict(detector.info.data)
    words = f"at most {MOST_PER_HALF_HOUR:g} spans in 30 min of human speech, then the most splices found"
    info["spans"] = {**rule.to_dict(), "rule": words, "chosen_on": split}
    model, card = (detector.folder / MODEL).read_bytes(), (detector.folder / CARD).read_text(encoding="utf-8")
    write_detector(detector.folder, info, model, card)


def report(heard: Sequence[Heard], rule: SpanRule, pooling: str, fixed: Sequence[Any], spent: float) -> list[ResultRow]:
    """Rows of the bars."""
    count, hours = alarms(heard, rule)
    hits, of = found_splices(heard, rule)
    place, found = machine_name(), poolings(heard)
    generated = [h for h in heard if h.kind == "generated"]
    marked = sum(bool(h.spans(rule)) for h in generated)
    rate = count / hours
    share, whole = hits / max(of, 1), marked / max(len(generated), 1)
    rows = [
        ResultRow(*fixed, "hours of human recordings", hours, seconds=spent, machine=place),
        ResultRow(*fixed, "spans in human recordings", float(count), seconds=spent, machine=place),
        ResultRow(*fixed, "spans per hour of human recordings", rate, 0.0, upper_limit(count, hours), spent, place),
        ResultRow(*fixed, f"splices of 2 s found, of {of}", share, *wilson(share, max(of, 1)), spent, place),
        ResultRow(*fixed, f"generated recordings with a span, of {len(generated)}", whole, machine=place),
    ]
    for name, value in found.items():
        mark = ", as the detector pools" if name == pooling else ""
        rows.append(ResultRow(*fixed, f"eer of whole recordings, {name}{mark}", value, machine=place))
    return rows


def main() -> None:
    """Choose on dev, or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--detector", default="default")
    parser.add_argument("--split", default="eval")
    parser.add_argument("--splices", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", action="store_true", help="look for the best settings on this split")
    parser.add_argument("--write", action="store_true", help="with --choose: put them into the detector folder")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "long-recordings")
    parser.add_argument("--dataset", default="demo-pages")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.choose and given.split in ("eval", "test"):
        raise SystemExit("eval chooses nothing: --choose goes with --split dev")
    detector = load_detector(None if given.detector == "default" else given.detector, threads=1)
    manifest = read_manifest(given.manifest, root=given.root).filter(split=given.split)
    start = time.perf_counter()
    heard = hear(detector, manifest, given.work, count=given.splices, seed=given.seed)
    rule = detector.info.spans
    if given.choose:
        rule, tried = choose(heard)
        for each, count, share in tried:
            print(f"{each.to_dict()}: {count} spans in human recordings, {100 * share:.1f} % of the splices found")
        print(f"chosen: {rule.to_dict()}")
        if given.write:
            write(detector, rule, given.split)
    train = detector.info.data.get("train") or {}
    names = (str(train.get("recipe") or detector.info.id), str(train.get("commit") or ""))
    chosen_on = str((detector.info.data.get("spans") or {}).get("chosen_on", "dev"))
    fixed = (*names, given.dataset, given.split, chosen_on)
    rows = report(heard, rule, detector.info.pooling, fixed, time.perf_counter() - start)
    for row in rows:
        limits = "" if row.high is None else f" [{row.low:.4g}, {row.high:.4g}]"
        print(f"{row.metric}: {row.value:.4g}{limits}")
    if given.out:
        append_rows(given.out, rows)


if __name__ == "__main__":
    main()
