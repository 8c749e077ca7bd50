"""The list of models: parameters, multiply-adds and what is known of each, without computing a single number of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from earwitness.config import build
from earwitness.models import MODELS
from earwitness.models.base import Classifier, Facts
from earwitness.models.pretrained import without_weights
from earwitness.registry import find


@dataclass(frozen=True)
class Entry:
    """A model in the list.

    Attributes
    ----------
    name:
        As in :data:`earwitness.models.MODELS`.
    parameters, trained:
        Numbers in the network, and how many of them change in training.
    multiply_adds:
        Multiplications with an addition that one picture of ``facts.shape`` costs: those of matrices and convolutions.
    facts:
        What the class says of itself.
    """

    name: str
    parameters: int
    trained: int
    multiply_adds: int
    facts: Facts

    def to_dict(self) -> dict[str, Any]:
        """As one JSON object."""
        f = self.facts
        return {
            "name": self.name,
            "about": f.about,
            "parameters": self.parameters,
            "trained": self.trained,
            "multiply_adds": self.multiply_adds,
            "frontend": f.frontend,
            "input": list(f.shape),
            "weights": f.weights,
            "licence": f.licence,
            "source": f.source,
        }


def hollow(name: str, values: Mapping[str, Any] | None = None, shape: tuple[int, int, int] | None = None) -> Classifier:
    """A model in evaluation mode whose tensors have shapes and no values: nothing is fetched, no memory is used.

    Parameters
    ----------
    name:
        As in :data:`earwitness.models.MODELS`.
    values:
        Settings that differ from the defaults.
    shape:
        (channels, bins, frames) of its input; ``facts.shape`` unless given.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    """
    kind = find(MODELS, name, kind="model")
    channels, bins, _ = shape or kind.facts.shape
    with without_weights(), torch.device("meta"):
        model: Classifier = kind(
            build(kind.Settings, values or {}, where="model.settings"), channels=channels, bins=bins
        )
    return model.eval()


def entry(name: str, values: Mapping[str, Any] | None = None) -> Entry:
    """The line of a model in the list.

    Examples
    --------
    >>> found = entry("pooled_cnn")
    >>> found.parameters, round(found.multiply_adds / 1e6)
    (93249, 304)
    """
    model = hollow(name, values)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.empty(1, *model.facts.shape, device="meta"))
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained = sum(n for n, is_trained in sizes if is_trained)
    # the counter counts a multiplication and an addition as two
    return Entry(name, sum(n for n, _ in sizes), trained, counter.get_total_flops() // 2, model.facts)


def catalog() -> list[Entry]:
    """All models, by name."""
    return [entry(name) for name in sorted(MODELS)]
