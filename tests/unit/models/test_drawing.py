"""Drawings hold every layer, its sizes, and the way of the results from one to the next."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")

from torch import Tensor, nn

from earwitness.cli import main
from earwitness.models.catalog import entry, hollow
from earwitness.models.drawing import svg
from earwitness.models.flow import flow


class Around(nn.Module):
    """A layer, a way around it, and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv1d(2, 2, 3, padding=1)
        self.inner = nn.Sequential(nn.ReLU(), nn.Dropout(0.25))
        self.last = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last((self.inner(self.one(x)) + x).mean(dim=2))
        return result


def test_results_are_followed_around_layers() -> None:
    boxes = flow(Around(), torch.randn(1, 2, 9))
    found = [(b.kind, b.place, b.shape, sorted(b.sources)) for b in boxes]
    assert found == [
        ("Conv1d", "one", (2, 9), [-1]),
        ("ReLU", "inner.0", (2, 9), [0]),
        ("Dropout", "inner.1", (2, 9), [1]),
        ("add", "", (2, 9), [-1, 2]),
        ("mean", "", (2,), [3]),
        ("Linear", "last", (1,), [4]),
    ]
    assert [b.parameters for b in boxes] == [14, 0, 0, 0, 0, 3]


def test_all_parameters_are_in_the_drawing() -> None:
    """AASIST's own parameters outside of layers are the only ones that no box holds."""
    for name, depth in (("lcnn", 1), ("crnn_gru", 1), ("res2net", 1), ("aasist", 1)):
        model = hollow(name)
        boxes = flow(model, torch.empty(1, *model.facts.shape, device="meta"), depth=depth)
        assert sum(b.parameters for b in boxes) == sum(p.numel() for p in model.parameters()), name
        assert boxes[-1].place == "last"
        # everything but the input leads somewhere
        used = set().union(*(b.sources for b in boxes))
        assert used >= set(range(-1, len(boxes) - 1)), name


def test_deeper_opens_modules() -> None:
    model = hollow("aasist")
    x = torch.empty(1, *model.facts.shape, device="meta")
    sizes = [len(flow(model, x, depth=depth)) for depth in (1, 2, 3)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_svg_is_well_formed_and_complete() -> None:
    boxes = flow(Around(), torch.randn(1, 2, 9))
    tree = ElementTree.fromstring(svg(boxes, title="a < b", about="x & y", shape=(2, 9)))
    space = "{http://www.w3.org/2000/svg}"
    texts = [t.text for t in tree.iter(f"{space}text")]
    assert texts[:2] == ["a < b", "x & y"]
    assert {"Conv1d  2 → 2, 3", "one  ·  2 × 9  ·  14", "Linear  2 → 1", "last  ·  1  ·  3"} <= set(texts)
    arrows = [p for p in tree.iter(f"{space}path") if p.get("marker-end")]
    assert len(arrows) == sum(len(b.sources) for b in boxes)


def test_command_draws(tmp_path: Path) -> None:
    out = tmp_path / "drawings" / "s5.svg"
    with pytest.raises(SystemExit) as done:
        main(["models", "draw", "pooled_cnn", "-o", str(out), "--set", "widths=[4,8]"])
    assert done.value.code in (0, None)
    text = out.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "Conv2d  4 → 8, 3×3" in text
    assert "Conv2d  8" not in text


def test_a_recipe_is_drawn_with_its_own_front_end(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as done:
        main(["models", "draw", "wide", "-o", str(tmp_path / "wide.svg")])
    assert done.value.code in (0, None)
    # 128 bins, and 1 + (64000 - 256) // 128 frames
    assert "1 × 128 × 499" in (tmp_path / "wide.svg").read_text(encoding="utf-8")


def test_multiply_adds_by_hand() -> None:
    """Convolutions on the map before each maximum, and one dense layer."""
    found = entry("pooled_cnn")
    by_hand = 80 * 401 * 9 * 32 + 40 * 200 * 9 * 32 * 64 + 20 * 100 * 9 * 64 * 128 + 128
    assert found.multiply_adds == by_hand
    assert found.trained == found.parameters == 93_249


def test_recurrent_layers_are_counted() -> None:
    """A GRU of 16 units on 8 inputs, both ways, over 16 steps: 2 * 16 * 3 * 16 * (8 + 16)."""
    plain = entry("crnn_gru", {"widths": [4, 4], "hidden": 16, "layers": 1, "heads": 1})
    bins, frames = 80, 401
    convolutions = bins * frames * 9 * 4 + (bins // 2) * (frames // 2) * 9 * 16
    steps, inside = frames // 4, 4 * (bins // 4)
    recurrent = 2 * steps * 3 * 16 * (inside + 16)
    pooling = steps * (32 * 64 + 64)
    assert plain.multiply_adds == convolutions + recurrent + pooling + 64
