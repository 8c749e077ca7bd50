"""A teacher's answers: read with every error named, and learned where there are any."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from earwitness.errors import ConfigError
from earwitness.train.teacher import NONE, TeacherSettings, read_answers, teacher_loss


def test_answers_are_found_by_id(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("probability,id,note\n0.25,b,x\n1,a,\n")
    found = read_answers(TeacherSettings(str(file)), ["a", "none", "b"])
    assert [found[0], found[2]] == [1.0, 0.25]
    assert math.isnan(found[1])
    assert all(map(math.isnan, read_answers(TeacherSettings(), ["a", "b"])))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("id,p\na,0.5\n", "not a table of id and probability"),
        ("id,probability\na,half\n", "not a table of id and probability"),
        ("id,probability\na\n", "not a table of id and probability"),
        ("id,probability\na,1.5\n", "between 0 and 1"),
        ("id,probability\na,nan\n", "between 0 and 1"),
        ("id,probability\nz,0.5\n", "none of the 2 clips"),
        ("", "none of the 2 clips"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "answers.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_answers(TeacherSettings(str(file)), ["a", "b"])


def test_loss_is_the_mean_over_the_clips_with_an_answer() -> None:
    logits = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)
    answers = torch.tensor([0.9, NONE, 0.1])
    loss = teacher_loss(logits, answers)
    by_hand = [-(p * F.logsigmoid(z) + (1 - p) * F.logsigmoid(-z)) for z, p in ((logits[0], 0.9), (logits[2], 0.1))]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[1] == 0
