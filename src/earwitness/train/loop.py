"""The training loop: one recipe, one manifest, one run folder; it goes on where it was stopped."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from earwitness.augment.mask import mask_bands
from earwitness.config import build
from earwitness.errors import TrainingError
from earwitness.registry import find
from earwitness.train.batches import Batches, loader
from earwitness.train.checkpoint import Average, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from earwitness.train.devset import dev_metrics
from earwitness.train.losses import LOSSES
from earwitness.train.material import Material
from earwitness.train.recipe import Network, Recipe
from earwitness.train.sampling import GroupSampler

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


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels with weight decay; biases, norms and other vectors without."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """Share of the highest learning rate at ``step``: a straight rise, then half a cosine down to zero.

    Examples
    --------
    >>> [round(learning_rate(s, 100, 0.1), 2) for s in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


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
        loss = find(LOSSES, recipe.loss.name, kind="loss")
        self.loss = loss(build(loss.Settings, recipe.loss.settings, where="loss.settings"))
        o, r = recipe.optimizer, recipe.run
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, o.weight_decay), lr=o.lr, betas=(0.9, 0.98))
        self.model, self.prepared = self.accelerator.prepare(self.network, self.optimizer)
        self.average = Average(self.network, o.ema)
        self.batches = Batches(
            GroupSampler(material.train, recipe.sampling, seed=recipe.seed),
            material.clips(recipe),
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
            facts = load_checkpoint(path, self.network, self.average, self.optimizer)
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
            save_checkpoint(self.folder / "last.safetensors", self.network, self.average, self.optimizer, facts)

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
            losses.append(self._train_step(batch.waveform, batch.target, batch.group))
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

    def _train_step(self, waveform: Tensor, target: Tensor, group: Tensor) -> float:
        o, device = self.recipe.optimizer, self.accelerator.device
        share = learning_rate(self.step, self.recipe.run.steps, o.warmup)
        for part in self.optimizer.param_groups:
            part["lr"] = o.lr * share
        # dropout and masks depend on (seed, step) alone, so that a resumed run ends in the same weights
        seed = (self.recipe.seed * 1_000_003 + self.step) % 2**62
        torch.manual_seed(seed)
        waveform, target, group = waveform.to(device), target.to(device), group.to(device)
        a, generator = self.recipe.augment, torch.Generator().manual_seed(seed)
        mask = partial(mask_bands, count=a.bands, widest=a.widest_band, generator=generator) if a.bands else None
        self.model.train()
        with self.accelerator.autocast():
            outputs = self.model(waveform, mask)
        loss = self.loss(outputs.float(), target, group)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"step {self.step}: the loss is {value}", hint="lower optimizer.lr")
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), o.clip_norm)
        self.prepared.step()
        self.prepared.zero_grad()
        self.average.update(self.network, self.step)
        return value

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
