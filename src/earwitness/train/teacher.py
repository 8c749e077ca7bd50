"""A teacher's answers beside the labels: how likely another network, that never saw the clip, holds it for generated.

A label says one bit of a clip; an answer says how hard the clip is and what it resembles, so a network that learns both
memorises less (Hinton et al. 2015, arXiv 1503.02531). Answers must be out of fold: given by a teacher that was fitted
without the clip's source, or they only repeat the label. ``scripts/teacher_answers.py`` makes such a file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from earwitness.errors import ConfigError

NONE = math.nan
"""The answer on a clip that the teacher was not asked about."""


@dataclass(frozen=True)
class TeacherSettings:
    """Whose answers are learned, and how much they count.

    Parameters
    ----------
    answers:
        A CSV file with the columns ``id`` and ``probability`` (that the clip is generated, in [0, 1]); a bare name that
        is no file here is looked for among the package's recipes, where it may know none of the clips, so that the
        recipes serve any corpus. Empty: labels alone.
    share:
        What the cross-entropy with the answers counts for beside the losses on the labels.
    """

    answers: str = ""
    share: float = 1.0


def read_answers(settings: TeacherSettings, ids: Sequence[str]) -> list[float]:
    """The teacher's answer on each clip, :data:`NONE` where it has none; all so where the recipe has no teacher.

    Raises
    ------
    ConfigError
        If the file is missing or not as it should be, or one of the user's own knows none of the clips.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "answers.csv"
    ...     _ = path.write_text("id,probability\\na,0.9\\n")
    ...     read_answers(TeacherSettings(str(path)), ["a", "b"])
    [0.9, nan]
    """
    if not settings.answers:
        return [NONE] * len(ids)
    name = f"teacher.answers: {settings.answers}"
    hint = "scripts/teacher_answers.py makes one; --set teacher.answers= trains without"
    path = Path(settings.answers)
    ours = not path.exists() and path.name == settings.answers
    if ours:
        path = Path(str(files("earwitness.recipes") / settings.answers))
    found: dict[str, float] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                found[line["id"]] = float(line["probability"])
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}", hint=hint) from None
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"{name}: not a table of id and probability", hint=hint) from None
    if not all(0 <= value <= 1 for value in found.values()):
        raise ConfigError(f"{name}: probabilities must lie between 0 and 1", hint=hint)
    if not ours and not any(i in found for i in ids):
        raise ConfigError(f"{name}: has none of the {len(ids)} clips of this train split", hint=hint)
    return [found.get(i, NONE) for i in ids]


def teacher_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy of logits ``(batch,)`` with answers ``(batch,)`` in [0, 1], over the clips that have one.

    Examples
    --------
    >>> round(float(teacher_loss(torch.zeros(2), torch.tensor([0.7, NONE]))), 4)
    0.6931
    >>> float(teacher_loss(torch.zeros(1), torch.tensor([NONE])))
    0.0
    """
    known = ~torch.isnan(answers)
    if not known.any():
        return logits.sum() * 0.0
    return F.binary_cross_entropy_with_logits(logits[known], answers[known])
