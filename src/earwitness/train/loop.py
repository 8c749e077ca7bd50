"""The training loop: one recipe, its material, one run folder; it goes on where it was stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from earwitness.config import build
from earwitness.errors import TrainingError
from earwitness.models.pretrained import without_weights
from earwitness.train.batches import Batches, loader
from earwitness.train.checkpoint import Average, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from earwitness.train.devset import dev_metrics
from earwitness.train.history import append_row, draw_curves, need_trackers, revision, run_facts
from earwitness.train.learner import Learner
from earwitness.train.material import Material
from earwitness.train.memory import keep_freed_memory
from earwitness.train.plain import make_sampler
from earwitness.train.recipe import Network, Recipe, settled
from earwitness.train.sampling import source_classes
from earwitness.train.teacher import read_answers

Report = Callable[[dict[str, float]], None]
Tick = Callable[[int, float], None]


@dataclass(frozen=True)
class Outcome:
    """What a run ended with: its folder, steps done, the best dev values and what stopped it.

    ``clips`` are clips seen, ``epochs`` those over the clips that there are, ``minutes`` the time spent in steps
    (looks at dev not counted), and ``waiting`` the share of it that was spent waiting for data.
    """

    folder: Path
    steps: int
    best: dict[str, float]
    stopped_by: str
    minutes: float
    waiting: float
    clips: int
    epochs: float


class Run:
    """One training run in ``folder``, and everything in it that repeats it; see ``docs/train.md``.

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
    tick:
        Called after every step with its number and the share of the run that is done.
    track:
        ``"tensorboard"`` and ``"wandb"``: where else the rows go.

    Raises
    ------
    TrainingError
        If a label is missing, the folder belongs to another recipe, or the loss is no longer a number.
    MissingExtraError
        If a tracker is not installed.
    """

    def __init__(
        self,
        recipe: Recipe,
        material: Material,
        folder: Path,
        *,
        report: Report | None = None,
        tick: Tick | None = None,
        track: Sequence[str] = (),
    ) -> None:
        from accelerate import Accelerator

        need_trackers(track)
        self.folder, self.material, self.report, self.tick = folder, material, report, tick
        self.accelerator = Accelerator(
            mixed_precision=recipe.run.precision, log_with=list(track) or None, project_dir=str(folder)
        )
        if self.accelerator.is_main_process:
            self._claim(recipe)
        self.recipe = recipe = settled(recipe, len(material.train))
        if track:
            self.accelerator.init_trackers("earwitness", {"recipe": json.dumps(_plain(recipe))})
        self.train_systems = frozenset(r.system for r in material.train if r.spoof)
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
            answers=read_answers(recipe.teacher, [row.id for row in sampler.rows]),
            size=r.batch,
            seconds=r.seconds,
            steps=r.steps,
            seed=recipe.seed,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        self.step, self.since_best = 0, 0
        self.best: dict[str, float] = {}
        self.seconds, self.waited, self.looked = 0.0, 0.0, 0.0

    def _claim(self, recipe: Recipe) -> None:
        path, mine = self.folder / "recipe.json", _plain(recipe)
        # settings that are younger than the folder have their defaults there
        if path.exists() and _plain(build(Recipe, json.loads(path.read_text()), where=str(path))) != mine:
            raise TrainingError(
                f"{self.folder}: holds a run of another recipe", hint="give another --out, or remove it"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(mine, indent=1))
        facts = run_facts(
            self.material.train,
            self.material.dev,
            processes=self.accelerator.num_processes,
            threads=torch.get_num_threads(),
            revision=revision(),
        )
        (self.folder / "facts.json").write_text(json.dumps(facts, indent=1))

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
            self.learner.drops, self.looked = facts.get("drops", 1.0), self.seconds

    def save(self) -> None:
        """Write ``last.safetensors`` (the main process only)."""
        if self.accelerator.is_main_process:
            learner = self.learner
            facts = {
                "step": self.step,
                "best": self.best,
                "since_best": self.since_best,
                "seconds": self.seconds,
                "waited": self.waited,
                "drops": learner.drops,
            }
            modules = (self.network, learner.adversary, self.average, learner.optimizer)
            save_checkpoint(self.folder / "last.safetensors", *modules, facts)

    @property
    def progress(self) -> float:
        """Share of the run that is done, in steps or, where there is a limit of time and it is nearer, in minutes."""
        r = self.recipe.run
        return max(self.step / r.steps, self.seconds / (60 * r.minutes) if r.minutes else 0.0)

    def fit(self) -> Outcome:
        """Train to the last step, the limit of time, or until dev has not improved for ``patience`` looks."""
        keep_freed_memory()
        self.resume()
        r = self.recipe.run
        feed = iter(loader(self.batches, start=self.step, workers=r.workers))
        losses: list[float] = []
        stopped_by = self._stop()
        while not stopped_by:
            losses.append(self._step(feed))
            due = self.step % r.evaluate_every == 0 or bool(self._stop())
            if due or (r.look_minutes and self.seconds - self.looked >= 60 * r.look_minutes):
                self._look(sum(losses) / len(losses))
                losses.clear()
                self.save()
                stopped_by = self._stop()
        if self.accelerator.is_main_process and (self.folder / "history.csv").exists():
            draw_curves(self.folder / "history.csv", self.folder / "curves.png")
        self.accelerator.end_training()
        clips = self.step * r.batch
        return Outcome(
            self.folder,
            self.step,
            self.best,
            stopped_by,
            self.seconds / 60,
            self.waited / max(self.seconds, 1e-9),
            clips,
            clips / len(self.material.train),
        )

    def _stop(self) -> str:
        r = self.recipe.run
        if self.step >= r.steps:
            return "steps"
        if r.minutes and self.seconds >= 60 * r.minutes:
            return "minutes"
        return "patience" if r.patience and self.since_best >= r.patience else ""

    def _step(self, feed: Any) -> float:
        clock = time.process_time if self.recipe.run.clock == "processor" else time.perf_counter
        began = clock()
        batch = next(feed)
        waited = clock() - began
        loss = self.learner.step(batch, self.step, self.progress)
        self.average.update(self.network, self.step)
        spent = clock() - began
        if self.accelerator.num_processes > 1 and (self.recipe.run.minutes or self.recipe.run.look_minutes):
            # every process must stop at the same step, so the first one's clock counts
            spent = float(_of_main(spent))
        self.seconds, self.waited, self.step = self.seconds + spent, self.waited + waited, self.step + 1
        if self.tick:
            self.tick(self.step, min(self.progress, 1.0))
        return loss

    def averaged(self) -> Network:
        """A copy of the network with the averaged weights."""
        with without_weights():
            copy = Network(self.recipe).to(self.accelerator.device)
        copy.load_state_dict(self.average.values)
        return copy.eval()

    def _look(self, loss: float) -> None:
        row: dict[str, float] = {}
        if self.accelerator.is_main_process:
            network = self.averaged()
            row = self._measure(network, loss)
            if not self.best or row["choice"] < self.best["choice"]:
                save_tensors(self.folder / "best.safetensors", network.state_dict(), {"dev": row})
            append_row(self.folder / "history.csv", row)
            self.accelerator.log({k: v for k, v in row.items() if k != "step"}, step=self.step)
        # processes keep running statistics of their own, so the first one's look decides for all
        row = _of_main(row) if self.accelerator.num_processes > 1 else row
        self.looked = self.seconds
        o = self.recipe.optimizer
        if not self.best or row["choice"] < self.best["choice"]:
            self.best, self.since_best = row, 0
        else:
            self.since_best += 1
            if o.schedule == "plateau" and self.since_best % o.wait == 0:
                self.learner.drops *= o.factor
        if self.accelerator.is_main_process and self.report:
            self.report(row)

    def _measure(self, network: Network, loss: float) -> dict[str, float]:
        dev = self.material.dev
        found = self.material.logits(network, self.accelerator.device)
        several = [dev_metrics(dev, logits, self.train_systems) for logits in found]
        row = {"step": float(self.step), "loss": loss, "minutes": self.seconds / 60, **several[0]}
        row["choice"] = sum(each["choice"] for each in several) / len(several)
        row["waiting"] = self.waited / max(self.seconds, 1e-9)
        row["lr"] = float(self.learner.optimizer.param_groups[0]["lr"])
        return row


def _of_main(value: Any) -> Any:
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


def _plain(recipe: Recipe) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain
