"""From a run folder to a detector folder: export, calibration and thresholds on dev, and the measured error rates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness import __version__, metrics
from earwitness.augment.signals import RATE
from earwitness.calibrate import Calibration, Thresholds, choose_thresholds, cross_fit, fit_bands
from earwitness.config import build
from earwitness.data.manifest import Manifest, Row
from earwitness.detector import Detector
from earwitness.detector_folder import write_detector
from earwitness.error_cells import cell_of
from earwitness.errors import TrainingError
from earwitness.export import export_onnx
from earwitness.train.cache import clip_seed
from earwitness.train.checkpoint import load_tensors
from earwitness.train.conditions import CONDITIONS
from earwitness.train.recipe import Network, Recipe

MAX_WRONG = 0.05
"""Largest share of each confident verdict that may be wrong on dev."""

RULE = (
    f"at most {MAX_WRONG:.0%} of each confident verdict wrong at prior .5 (one-sided 95 % limit), over all conditions, "
    "on log-likelihood ratios cross-fitted over sources"
)


@dataclass(frozen=True)
class Trial:
    """One dev clip under one condition, as the exported detector hears it."""

    row: Row
    condition: str
    raw: float
    speech: float
    quality: dict[str, Any]
    answerable: bool


def load_run(folder: Path) -> tuple[Recipe, Network, dict[str, Any]]:
    """Recipe, network with the best averaged weights, and their dev values, from a run folder.

    Raises
    ------
    TrainingError
        If the folder holds no finished look at dev.
    """
    try:
        recipe = build(Recipe, json.loads((folder / "recipe.json").read_text()), where=str(folder / "recipe.json"))
    except FileNotFoundError:
        raise TrainingError(f"{folder}: no recipe.json, so this is no run folder") from None
    network = Network(recipe)
    tensors, facts = load_tensors(folder / "best.safetensors")
    network.load_state_dict(tensors)
    return recipe, network.eval(), facts.get("dev", {})


def hear(
    detector: Detector,
    manifest: Manifest,
    conditions: Iterable[str],
    *,
    seed: int,
    report: Callable[[int], None] | None,
) -> list[Trial]:
    """Every clip under every condition through the detector's own windows and pooling, but those too short to score."""
    from earwitness.audio import decode
    from earwitness.audio.gate import gate

    out = []
    for number, row in enumerate(manifest):
        samples = decode(manifest.file(row)).samples
        for place, name in enumerate(conditions):
            changed = CONDITIONS[name].change(samples, np.random.default_rng(clip_seed(seed, place, row.id)))
            if len(changed) < 0.3 * RATE:
                continue
            stream = detector.stream()
            stream.push(np.ascontiguousarray(changed, dtype=np.float32))
            heard = stream.finish()
            if heard.raw is not None:
                reason, _ = gate(heard.quality)
                trial = Trial(row, name, heard.raw, heard.speech, heard.quality.to_dict(), reason is None)
                out.append(trial)
        if report:
            report(number + 1)
    return out


def wilson(wrong: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Examples
    --------
    >>> [round(x, 3) for x in wilson(5, 100)]
    [0.022, 0.112]
    """
    if not count:
        return 0.0, 1.0
    share = wrong / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _rates(
    llr: NDArray[np.float64], spoof: NDArray[np.bool_], limits: Thresholds, ok: NDArray[np.bool_]
) -> dict[str, Any]:
    high, low = (llr > limits.synthetic) & ok, (llr < limits.human) & ok
    humans, fakes = int((~spoof).sum()), int(spoof.sum())
    false_alarm, miss = int((high & ~spoof).sum()), int((low & spoof).sum())
    between = ~high & ~low
    out: dict[str, Any] = {"bonafide": humans, "spoof": fakes}
    if humans:
        out |= {"false_alarm": false_alarm / humans, "inconclusive_bonafide": float(between[~spoof].mean())}
    if fakes:
        out |= {"miss": miss / fakes, "inconclusive_spoof": float(between[spoof].mean())}
    out["intervals"] = {"false_alarm": wilson(false_alarm, humans), "miss": wilson(miss, fakes)}
    return out


def error_rows(trials: list[Trial], llr: NDArray[np.float64], limits: Thresholds) -> list[dict[str, Any]]:
    """A row per cell of speech seconds × bandwidth × SNR × codec family, per value of each axis, and one for all."""
    spoof = np.asarray([t.row.spoof for t in trials])
    ok = np.asarray([t.answerable for t in trials])
    cells = []
    for trial in trials:
        cell = cell_of(trial.quality, "")
        cells.append({**cell, "codec": CONDITIONS[trial.condition].codec})
    keys: Counter[tuple[tuple[str, str], ...]] = Counter()
    for cell in cells:
        known = tuple((k, v) for k, v in cell.items() if v is not None)
        keys[known] += 1
        for part in known:
            keys[(part,)] += 1
    rows = []
    for key, count in sorted(keys.items()):
        if count < 20:
            continue
        inside = np.asarray([all(c[a] == v for a, v in key) for c in cells])
        rows.append({"cell": dict(key), **_rates(llr[inside], spoof[inside], limits, ok[inside])})
    plain = np.asarray([t.condition == "as it is" for t in trials])
    rows.append({"cell": {}, **_rates(llr[plain], spoof[plain], limits, ok[plain])})
    return rows


def fit_decision(trials: list[Trial]) -> tuple[Calibration, Thresholds, NDArray[np.float64], str]:
    """Calibration, thresholds, cross-fitted log-likelihood ratios and the rule in words; no clip judges its own page."""
    raw = np.asarray([t.raw for t in trials])
    spoof = np.asarray([t.row.spoof for t in trials])
    speech = np.asarray([t.speech for t in trials])
    groups = [t.row.source or t.row.id for t in trials]
    calibration = fit_bands(
        raw, spoof, speech, fitted_on="dev of the training manifest, under all conditions of train/conditions.py"
    )
    llr = cross_fit(raw, spoof, speech, groups)
    ok = np.asarray([t.answerable for t in trials])
    rule = RULE
    if not (ok & spoof).any() or not (ok & ~spoof).any():
        ok, rule = np.ones_like(ok), RULE + "; the quality gate let through no clip of a label, so all clips were used"
    return calibration, choose_thresholds(llr[ok], spoof[ok], MAX_WRONG, upper_limit=True), llr, rule


def publish(
    run: Path,
    manifest: Manifest,
    out: Path,
    *,
    card: str = "",
    version: str = __version__,
    commit: str = "",
    report: Callable[[int], None] | None = None,
) -> Detector:
    """Write the detector of a run to ``out``.

    Parameters
    ----------
    run:
        A run folder with ``best.safetensors``.
    manifest:
        The manifest it was trained on; its ``dev`` rows fit calibration, thresholds and error rates, nothing else.
    out:
        The detector folder.
    card:
        Text of ``MODEL_CARD.md``; empty writes a short one that names the run.
    commit:
        Revision of the code, for the record.
    report:
        Called with the number of dev clips done.
    """
    recipe, network, best = load_run(run)
    model, parity = export_onnx(network)
    train, dev = manifest.filter(split="train"), manifest.filter(split="dev")
    info: dict[str, Any] = {
        "format": 1,
        "id": f"earwitness-{recipe.name}",
        "version": version,
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "sample_rate": RATE,
        "window": {"seconds": 4.0, "hop": 2.0, "min_seconds": 1.0},
        "pooling": "mean",
        "calibration": Calibration.from_dict(
            {"kind": "affine", "bands": [{"max_seconds": None, "scale": 1.0, "offset": 0.0}]}
        ).to_dict(),
        "thresholds": {"human": -1.0, "synthetic": 1.0, "rule": "provisional", "chosen_on": ""},
        "error_rates": [],
        "train_systems": sorted({r.system for r in train if r.spoof and r.system}),
        "licenses": dict(Counter(r.get("license") or "none stated" for r in train).most_common()),
        "train": {
            "recipe": recipe.name,
            "seed": recipe.seed,
            "commit": commit,
            "clips": {"bonafide": sum(not r.spoof for r in train), "spoof": sum(r.spoof for r in train)},
            "step": best.get("step"),
            "parameters": sum(p.numel() for p in network.parameters()),
            "onnx_parity": parity,
        },
    }
    write_detector(out, info, model, card or _short_card(recipe))
    detector = Detector.load(out, threads=1)
    trials = hear(detector, dev, CONDITIONS, seed=recipe.seed, report=report)
    calibration, limits, llr, rule = fit_decision(trials)
    plain = np.asarray([t.condition == "as it is" for t in trials])
    spoof = np.asarray([t.row.spoof for t in trials])
    info["calibration"] = calibration.to_dict()
    info["thresholds"] = {
        "human": limits.human,
        "synthetic": limits.synthetic,
        "rule": rule,
        "chosen_on": "dev",
    }
    info["error_rates"] = error_rows(trials, llr, limits)
    info["train"]["dev"] = {
        "eer": metrics.eer(llr[plain], spoof[plain]),
        "cllr": metrics.cllr(llr[plain], spoof[plain]),
        "auc": metrics.auc(llr[plain], spoof[plain]),
        "clips": int(plain.sum()),
    }
    write_detector(out, info, model, card or _short_card(recipe))
    return Detector.load(out)


def _short_card(recipe: Recipe) -> str:
    return f"# {recipe.name}\n\n{recipe.about}.\n\nWritten by `earwitness train`; figures stand in detector.json.\n"
