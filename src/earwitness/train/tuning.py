"""Hyperparameter search over what a recipe names in ``[search]``; dev is the objective, nothing else is looked at."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import ConfigError, TrainingError
from earwitness.train.loop import Run
from earwitness.train.material import Material
from earwitness.train.recipe import Range, Recipe, load_recipe

if TYPE_CHECKING:
    import optuna

Tick = Callable[[int, int, float], None]


@dataclass(frozen=True)
class TrialRow:
    """One trial: its number, how it ended, what dev said (lower is better), its settings and its cost."""

    number: int
    state: str
    value: float | None
    eer: float | None
    steps: int
    minutes: float
    stopped_by: str
    settings: Mapping[str, Any]


def tune(
    recipe: str,
    overrides: Sequence[str],
    material: Material,
    folder: Path,
    *,
    trials: int,
    report: Callable[[TrialRow], None] | None = None,
    tick: Tick | None = None,
) -> list[TrialRow]:
    """Try settings until there are ``trials`` of them; gives all trials of the study, and writes ``trials.csv``.

    The study is ``folder/study.sqlite``; a trial that was interrupted is tried again with the same settings, and its
    run goes on where it was. Settings are proposed by Optuna's TPE with the recipe's seed.

    Parameters
    ----------
    recipe:
        Name or TOML file of a recipe with ``[search]``.
    overrides:
        Settings of all trials.
    material:
        Clips of train and dev.
    folder:
        Where the study and its runs lie.
    trials:
        How many there are to be in all.
    report, tick:
        Called with every finished trial; with trial, step and share of the run after every step.

    Raises
    ------
    ConfigError
        If the recipe has no search space, or one that cannot be searched.
    TrainingError
        If the folder holds the study of another recipe.
    """
    import optuna

    base = load_recipe(recipe, overrides)
    if not base.search:
        raise ConfigError(f"{recipe}: no search space", hint='for example [search] "optimizer.lr" = { low, high, log }')
    _check(base.search)
    _claim(folder, base)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.sqlite'}",
        study_name=base.name,
        sampler=optuna.samplers.TPESampler(seed=base.seed),
        direction="minimize",
        load_if_exists=True,
    )
    _again(study)
    while len(_finished(study)) < trials:
        # the sampler draws anew for each trial, from the seed and the number of trials before it alone
        study.sampler = optuna.samplers.TPESampler(seed=base.seed + len(study.trials))
        trial = study.ask()
        _try(study, trial, recipe, list(overrides), base.search, material, folder, tick)
        rows = _rows(study)
        _write(folder / "trials.csv", rows, list(base.search))
        if report:
            report(next(row for row in rows if row.number == trial.number))
    return _rows(study)


def _try(
    study: optuna.Study,
    trial: optuna.Trial,
    recipe: str,
    overrides: list[str],
    search: Mapping[str, Range],
    material: Material,
    folder: Path,
    tick: Tick | None,
) -> None:
    import optuna

    settings = {name: _suggest(trial, name, space) for name, space in search.items()}
    chosen = load_recipe(recipe, [*overrides, *(f"{name}={json.dumps(value)}" for name, value in settings.items())])
    # named by its settings, so that a trial that is tried again finds its run
    place = folder / f"trial-{trial.user_attrs.get('run', trial.number):03d}"
    trial.set_user_attr("run", trial.user_attrs.get("run", trial.number))
    try:
        outcome = Run(chosen, material, place, tick=partial(tick, trial.number) if tick else None).fit()
    except TrainingError as error:
        # a loss that is no number is an answer about the settings, not the end of the search
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    facts = {"steps": outcome.steps, "minutes": outcome.minutes, "stopped_by": outcome.stopped_by}
    for name, value in {**facts, "eer": outcome.best["eer"]}.items():
        trial.set_user_attr(name, value)
    study.tell(trial, outcome.best["choice"])


def _suggest(trial: optuna.Trial, name: str, space: Range) -> Any:
    if space.choices:
        return trial.suggest_categorical(name, list(space.choices))
    if space.whole:
        return trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def _check(search: Mapping[str, Range]) -> None:
    for name, space in search.items():
        if not space.choices and not space.low < space.high:
            raise ConfigError(
                f"search.{name}: from {space.low:g} to {space.high:g}", hint="give low < high, or choices"
            )
        if space.log and space.low <= 0:
            raise ConfigError(f"search.{name}: a logarithmic range from {space.low:g}", hint="low must be above 0")


def _claim(folder: Path, base: Recipe) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path, mine = folder / "recipe.json", json.loads(json.dumps(asdict(base)))
    if path.exists() and json.loads(path.read_text()) != mine:
        raise TrainingError(f"{folder}: holds a study of another recipe", hint="give another --out, or remove it")
    path.write_text(json.dumps(mine, indent=1))


def _again(study: optuna.Study) -> None:
    """Trials that were running when the program ended are queued again, with their settings and their run folder."""
    import optuna

    for old in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.enqueue_trial(old.params, user_attrs={"run": old.user_attrs.get("run", old.number)})
        study.tell(old.number, state=optuna.trial.TrialState.FAIL)


def _finished(study: optuna.Study) -> list[Any]:
    """Trials that gave an answer: a value, or an error of training."""
    return [t for t in study.get_trials(deepcopy=False) if t.value is not None or "error" in t.user_attrs]


def _rows(study: optuna.Study) -> list[TrialRow]:
    rows = []
    for trial in _finished(study):
        found = trial.user_attrs
        rows.append(
            TrialRow(
                trial.number,
                trial.state.name.lower() if trial.value is not None else found["error"],
                trial.value,
                found.get("eer"),
                found.get("steps", 0),
                found.get("minutes", 0.0),
                found.get("stopped_by", ""),
                trial.params,
            )
        )
    return rows


def _write(path: Path, rows: Sequence[TrialRow], names: Sequence[str]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "state", "choice", "eer", "steps", "minutes", "stopped_by", *names])
        for row in sorted(rows, key=lambda r: (r.value is None, r.value)):
            figures = ["" if v is None else f"{v:.6g}" for v in (row.value, row.eer)]
            cells = [row.steps, f"{row.minutes:.2f}", row.stopped_by, *(row.settings.get(n, "") for n in names)]
            writer.writerow([row.number, row.state, *figures, *cells])
    os.replace(part, path)
