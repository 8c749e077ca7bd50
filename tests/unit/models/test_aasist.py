"""AASIST against what the authors' code and checkpoints give."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="models belong to the lab half")

from earwitness.audio import decode
from earwitness.errors import ConfigError
from earwitness.features.raw import Raw, RawSettings
from earwitness.models.aasist import AASIST, AASISTSettings, from_official

PUBLISHED = {"AASIST": 297_866, "AASIST-L": 85_306}


@pytest.fixture(scope="module", params=sorted(PUBLISHED))
def official(request: pytest.FixtureRequest, shared: Path) -> tuple[str, Path]:
    return request.param, shared / "oracles"


def test_official_weights_give_the_reference_scores(official: tuple[str, Path]) -> None:
    name, folder = official
    weights = torch.load(folder / "weights" / f"{name}.pth", weights_only=True, map_location="cpu")
    model = from_official(weights)
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED[name]
    front_end = Raw(RawSettings(samples=64_600))
    with (folder / "reference" / "aasist_logits.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == name]
    assert len(rows) == 8
    for row in rows:
        samples = decode(folder / "reference" / row["clip"]).samples
        with torch.inference_mode():
            embedded = model.embedding(front_end(torch.from_numpy(samples)[None]))
            bonafide, spoof = model.last(embedded)[0].tolist()
        assert spoof == pytest.approx(float(row["logit_spoof"]), abs=1e-4)
        assert bonafide == pytest.approx(float(row["logit_bonafide"]), abs=1e-4)
        assert float(embedded.norm()) == pytest.approx(float(row["embedding_norm"]), abs=1e-4)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="not a checkpoint of AASIST"):
        from_official({"conv.weight": torch.zeros(3)})


def test_a_picture_is_refused() -> None:
    with pytest.raises(ConfigError, match="reads the waveform"):
        AASIST(AASISTSettings(), channels=1, bins=64)
