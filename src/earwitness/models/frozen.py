"""A network inside another whose weights stay as they are: for good, for the first steps, or in its lower part."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Frozen(nn.Module):
    """Holds ``network`` and decides what of it is trained.

    A frozen network has no gradients and neither drops nor draws. Its batch norms keep their pretrained statistics;
    those of random weights have none worth keeping and measure them while training.

    Parameters
    ----------
    network:
        What is called.
    always:
        Never trained.
    steps:
        Trained only after this many training steps, counted in a buffer, so that a resumed run goes on counting.
    measure:
        Whether the batch norms of a frozen network measure; for random weights.
    """

    def __init__(self, network: nn.Module, *, always: bool = False, steps: int = 0, measure: bool = False) -> None:
        super().__init__()
        self.network = network
        self.always, self.steps, self.measure = always, steps, measure
        self.done: Tensor
        self.register_buffer("done", torch.zeros((), dtype=torch.long))
        if always:
            network.requires_grad_(False)

    def train(self, mode: bool = True) -> Frozen:
        """Training mode, but for what is frozen."""
        super().train(mode)
        if self.always:
            self.network.eval()
            for module in self.network.modules():
                if self.measure and isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.train(mode)
        return self

    def forward(self, *args: Any, **more: Any) -> Any:
        if not (self.training and self.steps) or self.always:
            return self.network(*args, **more)
        self.done += 1
        with torch.set_grad_enabled(bool(self.done > self.steps) and torch.is_grad_enabled()):
            return self.network(*args, **more)
