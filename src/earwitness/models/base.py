"""What all networks share: an embedding, a last layer, and the rule that makes one logit of the outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from earwitness.errors import ConfigError


@dataclass(frozen=True)
class Facts:
    """What ``earwitness models`` says about a network besides its sizes.

    Parameters
    ----------
    about:
        What it is, in a few words.
    source:
        Where it is described.
    shape:
        (channels, bins, frames) of a picture that four seconds usually give; (1, 1, 64000) is the waveform itself.
    frontend:
        The front end that it is made for.
    weights, licence:
        Name of weights from elsewhere that it can begin with, and their licence; empty where there are none.
    """

    about: str
    source: str
    shape: tuple[int, int, int]
    frontend: str
    weights: str = ""
    licence: str = ""


class Classifier(nn.Module, ABC):
    """A network that ends in ``last(embedding(picture))``.

    Attributes
    ----------
    last:
        From the embedding to the outputs ``(batch, 1 or 2)``. A loss that needs another last layer, such as a cosine
        to learned directions, may put its own in its place.
    width:
        Numbers in the embedding.
    inherited:
        Parts that may begin with weights learned elsewhere; ``optimizer.inherited`` moves them more gently.
    facts:
        What stands in the list of models.
    """

    facts: ClassVar[Facts]
    inherited: ClassVar[tuple[str, ...]] = ()
    last: nn.Module
    width: int

    @abstractmethod
    def embedding(self, picture: Tensor) -> Tensor:
        """The last hidden layer, ``(batch, width)``."""

    def forward(self, picture: Tensor) -> Tensor:
        """A front end's picture ``(batch, channels, bins, frames)`` to outputs ``(batch, 1 or 2)``."""
        result: Tensor = self.last(self.embedding(picture))
        return result

    @staticmethod
    def score(outputs: Tensor) -> Tensor:
        """One logit a clip ``(batch,)``, higher = generated.

        One output is the logit itself; of two the first speaks for bonafide and the second for spoof, and the logit
        is their difference.

        Examples
        --------
        >>> import torch
        >>> Classifier.score(torch.tensor([[1.0, 3.0]]))
        tensor([2.])
        """
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]


def last_layer(width: int, outputs: int) -> nn.Linear:
    """The plain last layer.

    Raises
    ------
    ConfigError
        For a number of outputs that is neither 1 nor 2.
    """
    if outputs not in (1, 2):
        raise ConfigError(f"model.outputs: {outputs}", hint="1 (one logit) or 2 (bonafide, spoof)")
    return nn.Linear(width, outputs)


def need_raw(name: str, channels: int, bins: int) -> None:
    """Refuse any front end but the raw waveform.

    Raises
    ------
    ConfigError
        Unless there is one channel and one bin.
    """
    if (channels, bins) != (1, 1):
        raise ConfigError(
            f"{name} reads the waveform, but the front end gives {channels} channels of {bins} bins",
            hint='frontend.name = "raw"',
        )
