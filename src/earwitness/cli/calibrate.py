"""``earwitness calibrate``: a profile for one's own kind of recordings, from a few clips of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earwitness.detector import Detector
    from earwitness.evaluate.calibration import Calibrated


def calibrate(
    human: Annotated[Path, typer.Option(help="Folder of clips that people spoke.", file_okay=False, exists=True)],
    fake: Annotated[Path, typer.Option(help="Folder of clips that were generated.", file_okay=False, exists=True)],
    detector: Annotated[
        str, typer.Argument(help="Detector folder; 'default' is the one that ships.", show_default=False)
    ] = "default",
    out: Annotated[Path, typer.Option("--out", "-o", help="Profile to write.")] = Path("profile.json"),
    name: Annotated[str | None, typer.Option(help="Name of the profile. [default: that of the file]")] = None,
    prior: Annotated[float, typer.Option(help="Probability of a generated voice that the limits are for.")] = 0.5,
    cost_miss: Annotated[float, typer.Option(help="Cost of calling a generated voice human.")] = 1.0,
    cost_false_alarm: Annotated[float, typer.Option(help="Cost of calling a person synthetic.")] = 1.0,
    max_wrong: Annotated[float, typer.Option(help="Share of confident verdicts that may be wrong.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the cross-validation.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Recordings scored at a time.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a detector's scale and limits to recordings like yours; 25 human and 25 generated clips are enough.

    Writes a profile for 'earwitness scan --profile'. What it gains is measured by cross-validation.
    """
    import json as formats
    import re

    import numpy as np

    from earwitness.cli.trials import open_detector
    from earwitness.detector_profile import write_profile
    from earwitness.errors import ConfigError
    from earwitness.evaluate.calibration import calibrate_scores

    title = name if name is not None else out.stem
    if not re.fullmatch(r"[A-Za-z0-9_-]+", title):
        raise ConfigError(f"the name {title!r}", hint="letters, digits, - and _ only; give one with --name")
    found = open_detector(detector, jobs=jobs)
    llr, spoof, missing = _scores(found, human, fake, jobs)
    result = calibrate_scores(
        np.array(llr),
        np.array(spoof),
        prior=prior,
        cost_miss=cost_miss,
        cost_false_alarm=cost_false_alarm,
        max_wrong=max_wrong,
        seed=seed,
    )
    profile = _profile(found, result, title, prior, cost_miss, cost_false_alarm)
    write_profile(profile, out)
    if json:
        typer.echo(formats.dumps({**profile.to_dict(), "without_score": missing}, indent=1))
    else:
        _tell(result, out, missing)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _scores(detector: Detector, human: Path, fake: Path, jobs: int) -> tuple[list[float], list[bool], dict[str, str]]:
    """Log-likelihood ratios and labels of the clips in both folders, and the reasons of those without a score."""
    from earwitness.cli.trials import run_scorer
    from earwitness.data.manifest import BONAFIDE, SPOOF, Manifest, Row
    from earwitness.data.protocols import audio_files
    from earwitness.errors import ManifestError
    from earwitness.evaluate.scorers import DetectorScorer

    rows = []
    for folder, label in ((human, BONAFIDE), (fake, SPOOF)):
        files = audio_files(folder)
        if not files:
            raise ManifestError(f"{folder}: no recordings in this folder")
        rows += [Row(str(file.resolve()), label) for file in files]
    manifest = Manifest(rows, root=Path("/"), where=f"{human} and {fake}")
    scores = run_scorer(DetectorScorer(detector, jobs=jobs), manifest).scores
    return scores.scores.tolist(), scores.truth.tolist(), dict(scores.missing)


def _profile(
    detector: Detector, result: Calibrated, title: str, prior: float, cost_miss: float, cost_false_alarm: float
) -> Any:
    from earwitness.detector_profile import Profile

    return Profile(
        name=title,
        detector=detector.info.id,
        sha256=detector.info.sha256,
        settings=detector.info.settings,
        map=result.map,
        thresholds=result.thresholds,
        prior=prior,
        cost_miss=cost_miss,
        cost_false_alarm=cost_false_alarm,
        measured=result.to_dict(),
    )


def _tell(result: Calibrated, out: Path, missing: dict[str, str]) -> None:
    typer.echo(f"{out}: fitted on {result.human} human and {result.spoof} generated clips")
    typer.echo(
        f"  Cllr {result.cllr_before:.3f} before, {result.cllr_after:.3f} after (cross-validated; 1 is knowing nothing)"
    )
    typer.echo(f"  AUC {result.auc:.3f}; llr' = {result.map.scale:.4g} x llr {result.map.offset:+.4g}")
    limits = result.thresholds
    typer.echo(f"  likely human below {limits.human:.2f}, likely synthetic above {limits.synthetic:.2f}")
    for word, side in (("human", "bonafide"), ("generated", "spoof")):
        low, middle, high = result.verdicts[side]
        typer.echo(f"  {word}: likely human {low}, inconclusive {middle}, likely synthetic {high} (cross-validated)")
    if missing:
        first, why = next(iter(missing.items()))
        typer.echo(f"note: {len(missing)} clips have no score, the first is {first}: {why}", err=True)
