"""Robustness of any scorer: what is measured, that it goes on after an interruption, and the heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from audio_files import voice
from lab_files import write_wav

from earwitness.audio import decode
from earwitness.augment.conditions import AS_IS
from earwitness.calibrate import Thresholds
from earwitness.data.manifest import Manifest, Row
from earwitness.errors import ConfigError
from earwitness.evaluate.bootstrap import Interval
from earwitness.evaluate.robustness import Bench, Measured, rise_together, robustness
from earwitness.evaluate.robustness_page import heat_map, page, result_rows, sentences
from earwitness.evaluate.scorers import Answer
from earwitness.evaluate.scores import Direction

CLIPS = 24


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Loud clips are generated, soft ones human."""
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for number in range(CLIPS):
        spoof = number % 2 == 1
        write_wav(folder / f"{number}.wav", voice(0.6, seed=number, level=0.4 if spoof else 0.1))
        label, kind = ("spoof", "tts") if spoof else ("bonafide", "human")
        rows.append(Row(f"{number}.wav", label, id=f"c{number}", kind=kind, source=f"s{number // 2 % 6}"))
    return Manifest(rows, root=folder)


class Loudness:
    """Scores the peak level in dB; ``left`` files, then it is interrupted."""

    name, direction = "loudness", "spoof"
    direction: Direction = "spoof"

    def __init__(self, left: int = 10**6) -> None:
        self.asked: list[str] = []
        self.left = left

    def answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        for file in files:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            self.asked.append(file.suffix)
            peak = float(np.abs(decode(file).samples).max())
            yield Answer(20 * np.log10(peak) + 14.0)


def test_a_scorer_of_levels_stumbles_over_levels_alone(manifest: Manifest) -> None:
    names = ["level -20 dB", "flac", "through 48 kHz"]
    found = {m.condition.name: m for m in robustness(Loudness(), manifest, Bench(names, draws=50))}
    # in the order of the table, the clips as they are first
    assert list(found) == [AS_IS, "flac", "level -20 dB", "through 48 kHz"]
    # a gain for all keeps the ranking and moves everything below the threshold
    assert found[AS_IS].figures["eer"].value == 0.0
    assert found["level -20 dB"].figures["eer"].value == 0.0
    assert found["level -20 dB"].figures["miss"].value == 1.0
    assert found[AS_IS].figures["miss"].value == 0.0
    assert found["flac"].figures["miss"].value == 0.0
    assert found[AS_IS].change is None
    # no trial in error has no width in any draw: Wilson's interval stands in
    assert found[AS_IS].figures["miss"].high > 0.2
    assert found[AS_IS].bonafide == found[AS_IS].spoof == CLIPS // 2


def test_verdicts_are_counted_where_there_are_limits(manifest: Manifest) -> None:
    how = Bench(["level -20 dB"], limits=Thresholds(-4.0, 4.0), draws=50)
    calm, soft = robustness(Loudness(), manifest, how)
    assert calm.figures["inconclusive"].value == 0.0
    assert soft.figures["wrong_human"].value == 1.0
    assert "false_alarm" not in soft.figures


def test_it_goes_on_where_it_was_interrupted(manifest: Manifest, tmp_path: Path) -> None:
    how = Bench(["flac"], keep=tmp_path, identity="one", draws=20)
    first = Loudness(left=CLIPS + 5)
    with pytest.raises(KeyboardInterrupt):
        robustness(first, manifest, how)
    # a line cut short by the interruption is passed over
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    with max(kept, key=lambda p: p.stat().st_mtime_ns).open("a", encoding="utf-8") as file:
        file.write('["c23", 1.')
    second = Loudness()
    whole = robustness(second, manifest, how)
    assert second.asked == [".flac"] * (CLIPS - 5)
    fresh = robustness(Loudness(), manifest, Bench(["flac"], draws=20))
    assert [m.figures for m in whole] == [m.figures for m in fresh]
    third = Loudness()
    robustness(third, manifest, Bench(["flac"], keep=tmp_path, identity="another", draws=20))
    assert len(third.asked) == 2 * CLIPS


def test_an_unknown_condition_is_an_error() -> None:
    with pytest.raises(ConfigError, match="unknown condition 'fog'"):
        Bench(["fog"])


def made(pairs: Sequence[tuple[float, float]]) -> list[Measured]:
    from earwitness.augment.conditions import ROBUSTNESS

    out = []
    for condition, (eer, open_) in zip(ROBUSTNESS.values(), pairs, strict=False):
        figures = {
            name: Interval(value, value, value, 0.95, "source", 5, 10)
            for name, value in (("eer", eer), ("wrong_synthetic", 0.01), ("wrong_human", 0.0), ("inconclusive", open_))
        }
        out.append(Measured(condition, figures, None, {"tts": eer}, 50, 50))
    return out


def test_doubt_that_rises_with_error_is_a_rank_correlation() -> None:
    assert rise_together(made([(0.1, 0.2), (0.2, 0.5), (0.4, 0.9)])) == pytest.approx(1.0)
    assert rise_together(made([(0.1, 0.9), (0.2, 0.5), (0.4, 0.2)])) == pytest.approx(-1.0)
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    pairs = [(float(a), float(b)) for a, b in rng.integers(0, 5, (12, 2)) / 10]
    assert rise_together(made(pairs)) == pytest.approx(scipy.spearmanr(*zip(*pairs, strict=True)).statistic)
    assert rise_together(made([(0.1, 0.5), (0.2, 0.5), (0.3, 0.5)])) is None


def test_the_page_the_rows_and_the_words(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots come with the lab half")
    from earwitness.evaluate.figures import save_figure

    found = made([(0.1, 0.2), (0.2, 0.5), (0.4, 0.9)])
    text = page(found, name="<ours>", place="corpus · eval", command="earwitness robustness x")
    assert "&lt;ours&gt;" in text
    assert "<script" not in text
    for measured in found:
        assert text.count(measured.condition.name) >= 2
    draw, size = heat_map(found)
    save_figure(draw, tmp_path / "heat.png", size=size)
    assert (tmp_path / "heat.png").stat().st_size > 5_000
    rows = {row.metric: row for row in result_rows(found, recipe="r", commit="c", dataset="d", split="eval")}
    assert rows["eer[condition=flac]"].value == 0.2
    assert rows["eer[condition=flac, kind=tts]"].value == 0.2
    assert "Rank correlation" in " ".join(sentences(found))
