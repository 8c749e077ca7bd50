"""Published checkpoints become detector folders that score what their authors score."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="conversion belongs to the lab half")
pytest.importorskip("onnxscript", reason="conversion needs the extra [train]")

from earwitness.audio import decode
from earwitness.detector import Detector
from earwitness.errors import ConfigError
from earwitness.train.official import convert_aasist, read_checkpoint


def test_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_checkpoint(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("these are no weights")
    with pytest.raises(ConfigError, match="not a checkpoint of tensors"):
        read_checkpoint(tmp_path / "text.pth")
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    with pytest.raises(ConfigError, match="not a checkpoint of tensors"):
        read_checkpoint(tmp_path / "numbers.pth")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="not a checkpoint of AASIST"):
        convert_aasist(tmp_path / "other.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(ConfigError, match="not a checkpoint of tensors"):
        read_checkpoint(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
def test_the_folder_gives_the_reference_scores(shared: Path, tmp_path: Path) -> None:
    """The whole way: checkpoint, folder, recording, score; about a minute of export."""
    oracles = shared / "oracles"
    convert_aasist(oracles / "weights" / "AASIST-L.pth", tmp_path / "aasist-l")
    detector = Detector.load(tmp_path / "aasist-l")
    assert detector.info.data["train"]["parameters"] == 85_306
    with (oracles / "reference" / "aasist_logits.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "AASIST-L"]
    for row in rows:
        clip = oracles / "reference" / row["clip"]
        expected = float(row["logit_spoof"]) - float(row["logit_bonafide"])
        heard = detector.score_file(clip)
        assert heard.llr == pytest.approx(expected, abs=1e-4)
        # what follows the first 64,600 samples is not heard
        longer = np.concatenate([np.resize(decode(clip).samples, 64_600), np.zeros(16_000, np.float32)])
        assert float(detector.logits(longer[None])[0]) == pytest.approx(expected, abs=1e-4)
