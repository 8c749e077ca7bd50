"""The training loop: one recipe, one manifest, one run folder; it goes on where it was stopped."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from earwitness.config import build
from earwitness.errors import TrainingError
from earwitness.train.batches import Batches, loader
from earwitness.train.checkpoint import Average, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from earwitness.train.devset import dev_metrics
from earwitness.train.learner import Learner
from earwitness.train.material import Material
from earwitness.train.plain import make_sampler
from earwitness.train.recipe import Network, Recipe
from earwitness.train.sampling import source_classes

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Outcome:
    """What a run ended with: its folder, steps done, the best dev values and what stopped it."""

    folder: Path
    steps: int
    best: dict[str, float]
    stopped_by: str
    minutes: float
    waiting: float


class Run:
    """One training run in ``folder``: ``recipe.json``, ``history.csv``, ``last`` and ``best`` checkpoints.

    Parameters
    ----------
    recipe:
        What to train.
    material:
        Clips of the splits ``train`` and ``dev``.
    folder:
        The run folder; a folder of the same recipe is gone on with.
    report:
        Called with every row of the history.

    Raises
    ------
    TrainingError
        If a label is missing, the folder belongs to another recipe, or the loss is no longer a number.
    """

    def __init__(
        self,
        recipe: Recipe,
        material: Material,
        folder: Path,
        *,
        report: Report | None = None,
    ) -> None:
        from accelerate import Accelerator

        self.recipe, self.folder, self.report = recipe, folder, report
        self._claim(folder, recipe)
        self.material = material
        self.train_systems = frozenset(r.system for r in material.train if r.spoof)
        self.accelerator = Accelerator(mixed_precision=recipe.run.precision)
        torch.manual_seed(recipe.seed)
        # channels last: convolutions of few channels run about a third faster on a CPU
        self.network = Network(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.start_from:
            self._start_from(Path(recipe.start_from))
        o, r = recipe.optimizer, recipe.run
        sampler = make_sampler(material.train, recipe.sampling, seed=recipe.seed)
        classes, sources = source_classes(sampler.rows, recipe.sampling)
        self.learner = Learner(recipe, self.network, sources, self.accelerator)
        self.average = Average(self.network, o.ema, mean_from=round(r.steps * (1 - o.swa)) if o.swa else None)
        self.batches = Batches(
            sampler,
            material.clips(recipe),
            sources=classes,
            size=r.batch,
            seconds=r.seconds,
            steps=r.steps,
            seed=recipe.seed,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        self.step, self.since_best = 0, 0
        self.best: dict[str, float] = {}
        self.seconds, self.waited = 0.0, 0.0

    @staticmethod
    def _claim(folder: Path, recipe: Recipe) -> None:
        path, mine = folder / "recipe.json", _plain(recipe)
        # settings that are younger than the folder have their defaults there
        if path.exists() and _plain(build(Recipe, json.loads(path.read_text()), where=str(path))) != mine:
            raise TrainingError(f"{folder}: holds a run of another recipe", hint="give another --out, or remove it")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine, indent=1))

    def _start_from(self, run: Path) -> None:
        weights, _ = load_tensors(run / "best.safetensors")
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            raise TrainingError(f"{run}: weights of another network: {error}", hint="check start_from") from None

    def resume(self) -> None:
        """Go on from ``last.safetensors``, if there is one."""
        path = self.folder / "last.safetensors"
        if path.exists():
            facts = load_checkpoint(path, self.network, self.learner.adversary, self.average, self.learner.optimizer)
            self.step, self.best, self.since_best = facts["step"], facts["best"], facts["since_best"]
            self.seconds, self.waited = facts["seconds"], facts["waited"]

    def save(self) -> None:
        """Write ``last.safetensors`` (the main process only)."""
        if self.accelerator.is_main_process:
            facts = {
                "step": self.step,
                "best": self.best,
                "since_best": self.since_best,
                "seconds": self.seconds,
                "waited": self.waited,
            }
            learner = self.learner
            modules = (self.network, learner.adversary, self.average, learner.optimizer)
            save_checkpoint(self.folder / "last.safetensors", *modules, facts)

    def fit(self) -> Outcome:
        """Train to the recipe's last step, or until dev has not improved for ``patience`` looks."""
        self.resume()
        r = self.recipe.run
        stopped_by = "steps"
        feed = iter(loader(self.batches, start=self.step, workers=r.workers))
        losses: list[float] = []
        while self.step < r.steps:
            began = time.perf_counter()
            batch = next(feed)
            self.waited += time.perf_counter() - began
            losses.append(self.learner.step(batch, self.step, self.step / r.steps))
            self.average.update(self.network, self.step)
            self.seconds += time.perf_counter() - began
            self.step += 1
            if self.step % r.evaluate_every == 0 or self.step == r.steps:
                self._look(sum(losses) / len(losses))
                losses.clear()
                self.save()
                if r.patience and self.since_best >= r.patience:
                    stopped_by = "patience"
                    break
        return Outcome(
            self.folder, self.step, self.best, stopped_by, self.seconds / 60, self.waited / max(self.seconds, 1e-9)
        )

    def averaged(self) -> Network:
        """A copy of the network with the averaged weights."""
        copy = Network(self.recipe).to(self.accelerator.device)
        copy.load_state_dict(self.average.values)
        return copy.eval()

    def _look(self, loss: float) -> None:
        network, dev = self.averaged(), self.material.dev
        found = self.material.logits(network, self.accelerator.device)
        several = [dev_metrics(dev, logits, self.train_systems) for logits in found]
        row = {"step": float(self.step), "loss": loss, "minutes": self.seconds / 60, **several[0]}
        row["choice"] = sum(each["choice"] for each in several) / len(several)
        row["waiting"] = self.waited / max(self.seconds, 1e-9)
        if not self.best or row["choice"] < self.best["choice"]:
            self.best, self.since_best = row, 0
            if self.accelerator.is_main_process:
                save_tensors(self.folder / "best.safetensors", network.state_dict(), {"dev": row})
        else:
            self.since_best += 1
        if self.accelerator.is_main_process:
            _append(self.folder / "history.csv", row)
            if self.report:
                self.report(row)


def _plain(recipe: Recipe) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain


def _append(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(row)
        writer.writerow(f"{v:.6g}" for v in row.values())
