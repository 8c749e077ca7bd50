"""``earwitness robustness``: what noise, codecs, rooms and cuts cost a detector, ours or anybody's.

Exit codes: 0 done; 1 a file is missing, unreadable or does not fit; 2 wrong usage.
"""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earwitness.cli import evaluate_options as options
from earwitness.errors import ConfigError

if TYPE_CHECKING:
    from earwitness.data.manifest import Manifest
    from earwitness.evaluate.robustness import Bench, Measured
    from earwitness.evaluate.scorers import Scorer

Conditions = Annotated[
    list[str] | None,
    typer.Option("--condition", help="Only this one; may be repeated. [default: all]", show_default=False),
]


def robustness(
    things: options.Things = None,
    command: options.Command = None,
    url: options.Url = None,
    field: options.Field = "/llr",
    function: options.Function = None,
    direction: options.Direction = None,
    profile: options.Profile = None,
    jobs: options.Jobs = 1,
    root: options.Root = None,
    split: options.Split = None,
    dataset: options.Dataset = None,
    conditions: Conditions = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many clips, half of each label; 0 = all.")] = 0,
    keep: Annotated[Path, typer.Option(help="Folder for answers, so that a second call goes on.")] = Path(
        ".cache/robustness"
    ),
    threshold: options.Threshold = None,
    dev_split: options.DevSplit = None,
    cluster: options.Cluster = "source",
    draws: options.Draws = 1000,
    seed: options.Seed = 0,
    html: options.Html = None,
    heatmap: Annotated[Path | None, typer.Option(help="Write the heat map as .png or .svg.")] = None,
    rows: options.Rows = None,
    json: options.Json = False,
) -> None:
    """Measure a detector under conditions that recordings meet: EER, false alarms, misses and doubt for each.

    A detector folder is judged by its own limits. For --command, --url and --callable the threshold is --threshold, or
    that of equal error on --dev-split, or 0. Run it again with the same --keep to go on after an interruption.
    """
    from earwitness.evaluate.figures import need_matplotlib
    from earwitness.evaluate.robustness import robustness as measure

    given = dict(locals())
    if html is not None or heatmap is not None:
        need_matplotlib()
    scorer, bench, manifest, title, recipe, commit = _open(given)
    from earwitness.cli.common import progress

    start = time.perf_counter()
    with progress() as bar:
        found = measure(scorer, manifest, bench, progress=lambda name, done, total: bar.update(done, total, name))
    facts = {"recipe": recipe, "commit": commit, "dataset": title, "split": given["split"]}
    _tell(found, scorer.name, facts, as_json=json)
    _write(found, scorer.name, facts, given, time.perf_counter() - start)


def _open(given: dict[str, Any]) -> tuple[Scorer, Bench, Manifest, str, str, str]:
    """Scorer, how to measure, the clips, what they are called, recipe and commit of the detector."""
    from dataclasses import replace

    from earwitness.augment.conditions import ROBUSTNESS
    from earwitness.cli.trials import drawn, open_manifest
    from earwitness.evaluate.bench import reported_split
    from earwitness.evaluate.clusters import parse_clusters
    from earwitness.evaluate.robustness import Bench

    words = list(given["things"] or [])
    if not words:
        raise ConfigError("no manifest", hint="earwitness robustness DETECTOR MANIFEST")
    everything, title = open_manifest(Path(words.pop()), None, root=given["root"])
    given["split"] = reported_split([row.split for row in everything], given["split"], everything.where)
    manifest = everything.filter(split=given["split"]) if given["split"] else everything
    manifest = drawn(manifest, given["limit"], seed=given["seed"])
    bench = Bench(
        conditions=tuple(given["conditions"] or ROBUSTNESS),
        threshold=given["threshold"] or 0.0,
        seed=given["seed"],
        keep=given["keep"],
        by=parse_clusters(given["cluster"]),
        draws=given["draws"],
        jobs=given["jobs"],
    )
    scorer, facts = _scorer(words, given)
    bench = replace(bench, **{k: facts[k] for k in ("limits", "identity")})
    if bench.limits is None and given["dev_split"] and given["threshold"] is None:
        bench = replace(bench, threshold=_chosen(scorer, everything.filter(split=given["dev_split"]), bench))
    return scorer, bench, manifest, given["dataset"] or title, facts["recipe"], facts["commit"]


def _scorer(words: list[str], given: dict[str, Any]) -> tuple[Scorer, dict[str, Any]]:
    from earwitness.cli.trials import directions, foreign_scorer, is_detector, open_detector
    from earwitness.evaluate.bench import entry_of
    from earwitness.evaluate.scorers import DetectorScorer
    from earwitness.evaluate.scores import Scores

    foreign = [(kind, v) for kind in ("command", "url", "function") for v in given[kind] or []]
    if len(words) + len(foreign) != 1:
        raise ConfigError(f"{len(words) + len(foreign)} detectors", hint="give one: a folder, --command, --url …")
    if foreign:
        (kind, value), way = foreign[0], directions(given["direction"], 1)[0]
        scorer = foreign_scorer(kind, value, way, field=given["field"], jobs=given["jobs"])
        return scorer, {"limits": None, "identity": f"{kind} {value} {way}", "recipe": scorer.name, "commit": ""}
    if not is_detector(words[0]):
        raise ConfigError(f"{words[0]!r} is no detector folder", hint="detectors have detector.json in them")
    detector = open_detector(words[0], jobs=given["jobs"], profile=given["profile"])
    entry = entry_of(detector, Scores.of((), ()), 0.0)
    identity = " ".join(detector.info.name.values())
    facts = {"limits": entry.limits, "identity": identity, "recipe": entry.recipe, "commit": entry.commit}
    return DetectorScorer(detector, jobs=given["jobs"]), facts


def _chosen(scorer: Scorer, dev: Manifest, bench: Bench) -> float:
    from earwitness.augment.conditions import AS_IS, ROBUSTNESS
    from earwitness.evaluate.robustness import heard
    from earwitness.evaluate.thresholds import choose

    return choose(heard(scorer, dev, ROBUSTNESS[AS_IS], bench), "eer", chosen_on="dev").value


def _tell(found: list[Measured], name: str, facts: dict[str, Any], *, as_json: bool) -> None:
    from earwitness.evaluate.robustness_page import result_rows, sentences, terminal_table

    if as_json:
        import json

        typer.echo(json.dumps([row.cells() for row in result_rows(found, **facts)], indent=1))
        return
    from earwitness.cli.trials import console

    place = " ".join(filter(None, (facts["dataset"], facts["split"])))
    out = console()
    out.print(terminal_table(found, f"{name} on {place}: {found[0].bonafide:,} human, {found[0].spoof:,} generated"))
    for sentence in sentences(found):
        out.print(sentence)


def _write(found: list[Measured], name: str, facts: dict[str, Any], given: dict[str, Any], seconds: float) -> None:
    import earwitness
    from earwitness.evaluate.figures import save_figure
    from earwitness.evaluate.robustness_page import heat_map, page, result_rows
    from earwitness.evaluate.rows import append_rows

    if given["html"] is not None:
        place = " · ".join(filter(None, (facts["dataset"], facts["split"])))
        line = shlex.join(["earwitness", *sys.argv[1:]])
        text = page(found, name=name, place=place, command=line, version=earwitness.__version__)
        given["html"].parent.mkdir(parents=True, exist_ok=True)
        given["html"].write_text(text, encoding="utf-8")
    if given["heatmap"] is not None:
        draw, size = heat_map(found)
        save_figure(draw, given["heatmap"], size=size)
    if given["rows"] is not None:
        append_rows(given["rows"], result_rows(found, **facts, seconds=seconds))
