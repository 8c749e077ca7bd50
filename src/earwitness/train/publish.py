"""From a run folder to a detector folder: export, calibration and thresholds on dev, and the measured error rates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earwitness import __version__, metrics
from earwitness.audio.windows import WindowPlan
from earwitness.augment.signals import RATE
from earwitness.calibrate import Affine, Calibration, cross_fit, fit_bands
from earwitness.config import build
from earwitness.data.manifest import Manifest
from earwitness.detector import Detector
from earwitness.detector_folder import CARD, MODEL, read_detector, write_detector
from earwitness.detector_limits import Limits
from earwitness.error_cells import Cell, cell_of
from earwitness.errors import TrainingError
from earwitness.export import export_onnx, half_onnx
from earwitness.metrics.shares import wilson
from earwitness.models.pretrained import without_weights
from earwitness.train.checkpoint import load_tensors
from earwitness.train.conditions import CONDITIONS
from earwitness.train.limits import Heard, choose_limits
from earwitness.train.recipe import Fused, Network, Recipe
from earwitness.train.trials import Trial, kept_trials

MAX_WRONG = 0.05
"""Largest share of each confident verdict that may be wrong on dev."""

RULE = (
    f"at most {MAX_WRONG:.0%} of each confident verdict wrong at prior .5, for clips as they are, for each value of "
    "each axis and under each condition; on log-likelihood ratios cross-fitted over sources"
)


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
    with without_weights():
        network = Network(recipe)
    tensors, facts = load_tensors(folder / "best.safetensors")
    network.load_state_dict(tensors)
    return recipe, network.eval(), facts.get("dev", {})


def cell_of_trial(trial: Trial) -> Cell:
    """The cell of a trial; its codec family is that of the condition."""
    return {**cell_of(trial.quality, ""), "codec": CONDITIONS[trial.condition].codec}


def _rates(llr: NDArray[np.float64], trials: Sequence[Trial], limits: Limits) -> dict[str, Any]:
    """Shares over trials; counts and intervals over clips, because one clip under two conditions is no new evidence."""
    spoof = np.asarray([t.row.spoof for t in trials])
    ok = np.asarray([t.answerable for t in trials])
    own = [limits.of(cell_of_trial(t))[0] for t in trials]
    high = (llr > np.asarray([o.synthetic for o in own])) & ok
    low = (llr < np.asarray([o.human for o in own])) & ok
    between = ~high & ~low
    humans, fakes = (len({t.row.id for t in trials if t.row.spoof == label}) for label in (False, True))
    out: dict[str, Any] = {"bonafide": humans, "spoof": fakes, "intervals": {}}
    for name, label, count, wrong in (("false_alarm", "bonafide", humans, high), ("miss", "spoof", fakes, low)):
        mine = spoof == (label == "spoof")
        if count:
            share = float(wrong[mine].mean())
            out |= {name: share, f"inconclusive_{label}": float(between[mine].mean())}
            out["intervals"][name] = wilson(share, count)
    return out


def error_rows(trials: list[Trial], llr: NDArray[np.float64], limits: Limits) -> list[dict[str, Any]]:
    """A row per cell of speech seconds × bandwidth × SNR × codec family, per value of each axis, and one for all."""
    cells = [cell_of_trial(trial) for trial in trials]
    keys: Counter[tuple[tuple[str, str], ...]] = Counter()
    for cell in cells:
        known = tuple((k, v) for k, v in cell.items() if v is not None)
        keys[known] += 1
        for part in known:
            keys[(part,)] += 1
    rows = []
    for key, count in sorted(keys.items()):
        if count >= 20:
            inside = [i for i, c in enumerate(cells) if all(c[a] == v for a, v in key)]
            rows.append({"cell": dict(key), **_rates(llr[inside], [trials[i] for i in inside], limits)})
    plain = [i for i, t in enumerate(trials) if t.condition == "as it is"]
    rows.append({"cell": {}, **_rates(llr[plain], [trials[i] for i in plain], limits)})
    return rows


def by_condition(trials: list[Trial], llr: NDArray[np.float64], limits: Limits) -> dict[str, dict[str, Any]]:
    """EER and shares of wrong and missing answers under each condition."""
    out = {}
    for name in dict.fromkeys(t.condition for t in trials):
        inside = [i for i, t in enumerate(trials) if t.condition == name]
        mine = [trials[i] for i in inside]
        found = _rates(llr[inside], mine, limits)
        spoof = np.asarray([t.row.spoof for t in mine])
        silent = [found[k] for k in ("inconclusive_bonafide", "inconclusive_spoof") if k in found]
        out[name] = {**found, "eer": metrics.eer(llr[inside], spoof), "inconclusive": float(np.mean(silent))}
    return out


def fit_decision(trials: list[Trial]) -> tuple[Calibration, Limits, NDArray[np.float64], str]:
    """Calibration, thresholds, cross-fitted log-likelihood ratios, and the rule in words."""
    raw = np.asarray([t.raw for t in trials])
    spoof = np.asarray([t.row.spoof for t in trials])
    speech = np.asarray([t.speech for t in trials])
    groups = [t.row.source or t.row.id for t in trials]
    several = {t.condition for t in trials}
    under = "all conditions of train/conditions.py" if several == set(CONDITIONS) else ", ".join(sorted(several))
    calibration = fit_bands(raw, spoof, speech, fitted_on=f"dev of the training manifest, under {under}")
    llr = cross_fit(raw, spoof, speech, groups)
    ok = np.asarray([t.answerable for t in trials])
    rule = RULE
    if not (ok & spoof).any() or not (ok & ~spoof).any():
        ok, rule = np.ones_like(ok), RULE + "; the quality gate let through no clip of a label, so all clips were used"
    heard = Heard(
        llr,
        spoof,
        [cell_of_trial(t) for t in trials],
        [t.row.id for t in trials],
        [t.condition for t in trials],
        ok,
        np.asarray([CONDITIONS[t.condition].group == "plain" for t in trials]),
    )
    return calibration, choose_limits(heard, MAX_WRONG), llr, rule


def _member(recipe: Recipe, best: dict[str, Any]) -> dict[str, Any]:
    """What the record says of one run: what it was made by, and the values of its best weights."""
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "step": best.get("step"),
        "start_from": recipe.start_from or None,
        "teacher": recipe.teacher.answers or None,
    }


def publish(
    runs: Sequence[Path],
    manifest: Manifest,
    out: Path,
    *,
    name: str = "",
    card: str = "",
    version: str = __version__,
    commit: str = "",
    jobs: int = 1,
    half: bool = False,
    conditions: Sequence[str] = tuple(CONDITIONS),
    report: Callable[[int], None] | None = None,
) -> Detector:
    """Write the detector of a run, or of several runs fused into one graph, to ``out``.

    Parameters
    ----------
    runs:
        Run folders with ``best.safetensors``; the mean of several networks' logits is the score.
    manifest:
        The manifest it was trained on; its ``dev`` rows fit calibration, thresholds and error rates, nothing else.
    out:
        The detector folder.
    name:
        What the detector and its rows of results are called; empty takes the name of the first run's recipe.
    card:
        Text of ``MODEL_CARD.md``; empty writes a short one that names the run.
    commit:
        Revision of the code, for the record.
    jobs:
        Processes that hear dev.
    half:
        Whether weights are rounded to half precision, for a smaller file; see :mod:`earwitness.export_size`.
    conditions:
        Names of :data:`CONDITIONS` that dev is heard under.
    report:
        Called with the number of dev clips done.
    """
    loaded = [load_run(run) for run in runs]
    recipe = loaded[0][0]
    if any(other.window != recipe.window for other, _, _ in loaded):
        raise TrainingError("runs with windows of different lengths cannot be fused", hint="export each by itself")
    network = loaded[0][1] if len(loaded) == 1 else Fused([member for _, member, _ in loaded])
    model, parity = export_onnx(network.eval())
    moved = None
    if half:
        model, moved = half_onnx(network, model)
    name = name or recipe.name
    info = provisional(name, recipe.seed, recipe.window, manifest.filter(split="train"), version)
    info["train"] |= {
        "commit": commit,
        "onnx_parity": parity,
        "half_parity": moved,
        "members": [_member(r, best) for r, _, best in loaded],
        "parameters": sum(p.numel() for _, network, _ in loaded for p in network.parameters()),
    }
    text = card or short_card(name, recipe.about)
    place = runs[0] / f"dev-trials-{len(runs)}.jsonl"
    return finish(
        out, info, model, text, place, manifest, seed=recipe.seed, jobs=jobs, conditions=conditions, report=report
    )


def finish(
    out: Path,
    info: dict[str, Any],
    model: bytes,
    text: str,
    place: Path,
    manifest: Manifest,
    *,
    seed: int,
    jobs: int = 1,
    conditions: Sequence[str] = tuple(CONDITIONS),
    report: Callable[[int], None] | None = None,
) -> Detector:
    """Write a detector whose graph is done: calibration, limits and error rates from dev, as the graph hears it.

    Parameters
    ----------
    out:
        The detector folder.
    info:
        See :func:`provisional`; what dev decides is put in.
    model, text:
        The ONNX file and the model card.
    place:
        Where the trials of dev are kept.
    manifest:
        Its ``dev`` rows are heard, nothing else.
    seed, jobs, conditions, report:
        As for :func:`~earwitness.train.trials.kept_trials`.
    """
    write_detector(out, info, model, text)
    dev = manifest.filter(split="dev")
    trials = kept_trials(place, out, dev, seed=seed, jobs=jobs, conditions=conditions, report=report)
    calibration, limits, llr, rule = fit_decision(trials)
    info["calibration"] = calibration.to_dict()
    info["thresholds"] = {**limits.to_dict(), "rule": rule, "chosen_on": "dev"}
    info["error_rates"] = error_rows(trials, llr, limits)
    info["train"]["conditions"] = by_condition(trials, llr, limits)
    write_detector(out, info, model, text)
    return Detector.load(out)


def refit(
    folder: Path,
    manifest: Manifest,
    out: Path,
    *,
    card: str = "",
    jobs: int = 1,
    report: Callable[[int], None] | None = None,
) -> Detector:
    """Keep the graph of a detector folder and fit anew what dev decides: calibration, limits and error rates.

    Windows, pooling and the facts of its training stay. Trials are kept beside ``out`` as ``NAME-dev-trials.jsonl``.

    Parameters
    ----------
    folder:
        A detector folder.
    manifest, out, card, jobs, report:
        As for :func:`publish`; an empty ``card`` keeps the one that is there.

    Raises
    ------
    DetectorError
        If ``folder`` is no detector folder.
    """
    found = read_detector(folder)
    info = {k: v for k, v in found.data.items() if k not in ("format", "created", "files")}
    info.setdefault("train", {})
    text = card or (folder / CARD).read_text(encoding="utf-8")
    place = out.with_name(f"{out.name}-dev-trials.jsonl")
    seed = int(info["train"].get("seed", 1))
    return finish(out, info, (folder / MODEL).read_bytes(), text, place, manifest, seed=seed, jobs=jobs, report=report)


def provisional(name: str, seed: int, window: WindowPlan, train: Manifest, version: str) -> dict[str, Any]:
    """All of ``detector.json`` that does not need the exported graph: raw scores stand for likelihood ratios."""
    return {
        "id": f"earwitness-{name}",
        "version": version,
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "sample_rate": RATE,
        "window": asdict(window),
        "pooling": "mean",
        "calibration": Calibration((), (Affine(1.0, 0.0),)).to_dict(),
        "thresholds": {"human": -1.0, "synthetic": 1.0, "rule": "provisional", "chosen_on": ""},
        "error_rates": [],
        "train_systems": sorted({r.system for r in train if r.spoof and r.system}),
        "licenses": dict(Counter(r.get("license") or "none stated" for r in train).most_common()),
        "train": {
            "recipe": name,
            "seed": seed,
            "clips": {"bonafide": sum(not r.spoof for r in train), "spoof": sum(r.spoof for r in train)},
        },
    }


def short_card(name: str, about: str) -> str:
    """A model card that names the recipe and where the figures stand."""
    return f"# {name}\n\n{about}.\n\nWritten by `earwitness train`; figures stand in detector.json.\n"
