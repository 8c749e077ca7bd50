"""``earwitness evaluate``: the same report for any detector – a folder, a score file, a command, a service, a function.

Exit codes: 0 done; 1 a file is missing, unreadable or does not fit; 2 wrong usage.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from earwitness.cli import evaluate_options as options
from earwitness.errors import ConfigError

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.evaluate.baseline import Baseline
    from earwitness.evaluate.bench import Entry, ThresholdChoice
    from earwitness.evaluate.report import Report, ReportSettings


def evaluate(
    things: options.Things = None,
    scores: options.Scores = None,
    command: options.Command = None,
    url: options.Url = None,
    field: options.Field = "/llr",
    function: options.Function = None,
    direction: options.Direction = None,
    name: options.Name = None,
    profile: options.Profile = None,
    jobs: options.Jobs = 1,
    data: options.Data = None,
    root: options.Root = None,
    reals: options.Reals = None,
    key: options.Key = None,
    split: options.Split = None,
    dataset: options.Dataset = None,
    asv_scores: options.AsvScores = None,
    audit: options.Audit = None,
    threshold: options.Threshold = None,
    rule: options.Rule = None,
    dev_split: options.DevSplit = None,
    dev_scores: options.DevScores = None,
    prior: options.Prior = 0.5,
    cost_miss: options.CostMiss = 1.0,
    cost_false_alarm: options.CostFalseAlarm = 1.0,
    dcf: options.Dcf = (0.05, 10.0, 1.0),
    convention: options.Convention = "interpolated",
    cluster: options.Cluster = "source",
    draws: options.Draws = 1000,
    seed: options.Seed = 0,
    json: options.Json = False,
    html: options.Html = None,
    plots: options.Plots = None,
    rows: options.Rows = None,
    keep_scores: options.KeepScores = None,
) -> None:
    """Measure a detector, or scores, against known labels."""
    given = dict(locals())
    from earwitness.evaluate.bench import compare, measure

    if html is not None or plots is not None:
        from earwitness.evaluate.figures import need_matplotlib

        need_matplotlib()
    entries, title, baseline = _entries(given)
    if keep_scores is not None:
        _keep(entries, keep_scores)
    settings, choice = _settings(given, entries, title)
    reports = [measure(entry, settings, choice) for entry in entries]
    comparisons, left_out = compare(reports, draws=draws, seed=seed) if len(reports) > 1 else ([], 0)
    if left_out:
        typer.echo(f"note: {left_out:,} trials that not all detectors scored are in no comparison", err=True)
    _print(reports, comparisons, baseline, as_json=json)
    _write(reports, comparisons, baseline, entries, given)


def _entries(given: dict[str, Any]) -> tuple[list[Entry], str, Baseline | None]:
    """All that is to be measured, the name of the trials, and the trivial baseline where an audit is at hand."""
    from earwitness.cli.trials import directions, is_detector

    words = list(given["things"] or [])
    detectors = [w for w in words if is_detector(w)]
    rest = [w for w in words if w not in detectors]
    if len(rest) > 1:
        raise ConfigError(
            f"{rest[0]!r} is no detector folder", hint="detectors have detector.json; one manifest is last"
        )
    file = Path(rest[0]) if rest else None
    foreign = [(kind, v) for kind in ("command", "url", "function", "scores") for v in given[kind] or []]
    if not detectors and not foreign:
        raise ConfigError(
            "no detector" if file is None else f"no detector to measure on {file}",
            hint="give a detector folder ('default' is the one that ships), --scores, --command, --url or --callable",
        )
    ways = directions(given["direction"], len(foreign))
    entries: list[Entry] = []
    title = given["dataset"] or ""
    if detectors or any(kind != "scores" for kind, _ in foreign):
        manifest, found = _manifest(given, file)
        title = title or found
        entries += [_detector(word, manifest, given) for word in detectors]
        entries += [
            _foreign(kind, value, way, manifest, given)
            for (kind, value), way in zip(foreign, ways, strict=True)
            if kind != "scores"
        ]
    elif file is not None:
        given["key"] = given["key"] or file
    entries += [
        _score_file(value, way, given) for (kind, value), way in zip(foreign, ways, strict=True) if kind == "scores"
    ]
    return _named(entries, given["name"]), title, _baseline(given, file)


def _manifest(given: dict[str, Any], file: Path | None) -> tuple[Manifest, str]:
    from earwitness.cli.trials import open_manifest
    from earwitness.evaluate.bench import needed, reported_split

    manifest, title = open_manifest(file, given["data"], root=given["root"], reals=given["reals"])
    given["split"] = reported_split([row.split for row in manifest], given["split"], manifest.where)
    return needed(manifest, given["split"], given["dev_split"]), title


def _detector(word: str, manifest: Manifest, given: dict[str, Any]) -> Entry:
    from earwitness.cli.trials import open_detector, run_scorer
    from earwitness.evaluate.bench import entry_of
    from earwitness.evaluate.scorers import DetectorScorer

    detector = open_detector(word, jobs=given["jobs"], profile=given["profile"])
    scored = run_scorer(DetectorScorer(detector, jobs=given["jobs"]), manifest)
    return entry_of(detector, scored.scores, scored.seconds)


def _foreign(kind: str, value: str, way: Any, manifest: Manifest, given: dict[str, Any]) -> Entry:
    from earwitness.cli.trials import foreign_scorer, run_scorer
    from earwitness.evaluate.bench import Entry

    scorer = foreign_scorer(kind, value, way, field=given["field"], jobs=given["jobs"])
    scored = run_scorer(scorer, manifest)
    return Entry(scored.scores, seconds=scored.seconds)


def _score_file(path: Path, way: Any, given: dict[str, Any]) -> Entry:
    from earwitness.evaluate.bench import Entry, reported_split
    from earwitness.evaluate.keys import read_key
    from earwitness.evaluate.score_files import read_scores

    scores = read_scores(path, direction=way)
    if given["key"] is not None:
        scores = scores.keyed(read_key(given["key"]))
    elif scores.labels is None:
        raise ConfigError(f"{path} holds no labels", hint="give them with --key FILE")
    if any(scores.column("split")):
        given["split"] = reported_split(scores.column("split"), given["split"], str(path))
    return Entry(scores)


def _named(entries: list[Entry], names: list[str] | None) -> list[Entry]:
    """Entries under the given names; of equal names the later ones are numbered."""
    from dataclasses import replace

    given = names or []
    if len(given) > len(entries):
        raise ConfigError(f"{len(given)} names for {len(entries)} detectors")
    used: dict[str, int] = {}
    out = []
    for index, entry in enumerate(entries):
        title = given[index] if index < len(given) else entry.scores.name
        used[title] = used.get(title, 0) + 1
        unique = title if used[title] == 1 else f"{title} ({used[title]})"
        out.append(replace(entry, scores=entry.scores.named(unique)))
    return out


def _baseline(given: dict[str, Any], file: Path | None) -> Baseline | None:
    from earwitness.evaluate.baseline import find_audit, read_baseline

    place = given["audit"] or (find_audit(file) if file is not None else None)
    return None if place is None else read_baseline(place, split=given["split"] or "")


def _settings(given: dict[str, Any], entries: list[Entry], title: str) -> tuple[ReportSettings, ThresholdChoice]:
    from earwitness.evaluate.asv import read_asv
    from earwitness.evaluate.bench import ThresholdChoice
    from earwitness.evaluate.clusters import parse_clusters
    from earwitness.evaluate.measures import Costs
    from earwitness.evaluate.report import ReportSettings
    from earwitness.evaluate.score_files import read_scores

    if given["convention"] not in ("interpolated", "asvspoof"):
        raise ConfigError(f"unknown EER convention {given['convention']!r}", hint="interpolated or asvspoof")
    dev = None
    if given["dev_scores"] is not None:
        if len(entries) != 1 or not given["scores"]:
            raise ConfigError("--dev-scores goes with one --scores file", hint="for detectors name --dev-split")
        dev = read_scores(given["dev_scores"], direction=given["direction"][0])
    choice = ThresholdChoice(
        value=given["threshold"],
        rule=given["rule"],
        dev_split=given["dev_split"],
        dev=dev,
        costs=Costs(given["prior"], given["cost_miss"], given["cost_false_alarm"]),
    )
    settings = ReportSettings(
        convention=given["convention"],
        costs=Costs(*given["dcf"]),
        cluster=parse_clusters(given["cluster"]),
        draws=given["draws"],
        seed=given["seed"],
        asv=None if given["asv_scores"] is None else read_asv(given["asv_scores"]),
        dataset=title,
        split=given["split"] or "",
    )
    return settings, choice


def _print(reports: list[Report], comparisons: list[Any], baseline: Baseline | None, *, as_json: bool) -> None:
    if not as_json:
        from earwitness.cli.trials import console
        from earwitness.evaluate.terminal import show

        show(console(), reports, comparisons=comparisons, baseline=baseline)
        return
    from earwitness.evaluate.output import to_json

    typer.echo(to_json(reports, comparisons=comparisons, baseline=baseline))


def _keep(entries: list[Entry], folder: Path) -> None:
    from earwitness.evaluate.output import file_name
    from earwitness.evaluate.score_files import write_scores

    for entry in entries:
        write_scores(entry.scores, folder / f"{file_name(entry.scores.name)}.csv")


def _write(
    reports: list[Report],
    comparisons: list[Any],
    baseline: Baseline | None,
    entries: list[Entry],
    given: dict[str, Any],
) -> None:
    """Page, plots and result rows, as asked for."""
    import earwitness
    from earwitness.evaluate.output import write_plots
    from earwitness.evaluate.page import page
    from earwitness.evaluate.rows import append_rows, result_rows

    if given["html"] is not None:
        line = shlex.join(["earwitness", *sys.argv[1:]])
        text = page(reports, comparisons=comparisons, baseline=baseline, command=line, version=earwitness.__version__)
        given["html"].parent.mkdir(parents=True, exist_ok=True)
        given["html"].write_text(text, encoding="utf-8")
    if given["plots"] is not None:
        write_plots(reports, given["plots"], baseline=baseline)
    if given["rows"] is not None:
        for report, entry in zip(reports, entries, strict=True):
            append_rows(
                given["rows"],
                result_rows(report, recipe=entry.recipe, commit=entry.commit, seconds=entry.seconds),
            )
