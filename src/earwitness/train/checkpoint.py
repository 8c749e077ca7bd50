"""Checkpoints as safetensors: weights, their running average and the optimizer's moments; never pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from earwitness.errors import TrainingError


class Average:
    """Running average of weights and buffers: ``average = decay * average + (1 - decay) * now``.

    The decay is lower at the start (``(1 + step) / (10 + step)``), so that the first weights are forgotten. From the
    step ``mean_from`` on it is the plain mean of all weights since then instead (Izmailov et al. 2018, arXiv
    1803.05407), of running statistics too; before, it is the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float, *, mean_from: int | None = None) -> None:
        self.decay, self.mean_from = decay, mean_from
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the model's weights after ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        if self.mean_from is not None:
            done = max(0, step - self.mean_from)
            decay = done / (done + 1)
        for key, value in model.state_dict().items():
            mine = self.values[key]
            if mine.dtype.is_floating_point:
                mine.lerp_(value.detach(), 1 - decay)
            else:
                mine.copy_(value)


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Tensors and JSON facts in one safetensors file, put in place in one step."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, {"facts": json.dumps(facts)})
    os.replace(part, path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`save_tensors` wrote."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            names: list[str] = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, facts
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path}: not a checkpoint of this program: {error}") from None


def save_checkpoint(
    path: Path,
    model: nn.Module,
    beside: nn.Module | None,
    average: Average,
    optimizer: torch.optim.Optimizer,
    facts: dict[str, Any],
) -> None:
    """Everything that training needs to go on after ``facts["step"]`` steps; ``beside`` is what only training has."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"beside.{k}": v for k, v in beside.state_dict().items()} if beside else {}
    tensors |= {f"average.{k}": v.clone() for k, v in average.values.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    save_tensors(path, tensors, facts)


def load_checkpoint(
    path: Path, model: nn.Module, beside: nn.Module | None, average: Average, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Put a checkpoint into all that :func:`save_checkpoint` was given; gives its facts."""
    tensors, facts = load_tensors(path)
    if beside:
        beside.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("beside.")})
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    for key, value in tensors.items():
        if key.startswith("average."):
            average.values[key[8:]].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return facts
