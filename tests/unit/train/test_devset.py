"""Logits of dev are those of a scan: every window, repeated where short, every second counted once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from earwitness.audio.windows import WindowPlan, tile
from earwitness.data.manifest import Manifest, Row
from earwitness.train.cache import AudioCache
from earwitness.train.devset import dev_logits, dev_metrics

PLAN = WindowPlan(2.0, 2.0, 1.0)
LENGTHS = {"short": 9000, "minimum": 16000, "between": 20001, "window": 32000, "two": 50000, "three": 96000}


class Loud(nn.Module):
    """Something that is not linear in the samples and depends on where they stand."""

    def score(self, waveform: Tensor) -> Tensor:
        assert waveform.shape[1] <= PLAN.length
        ramp = torch.linspace(0, 1, waveform.shape[1])
        return ((waveform * ramp).square().mean(1) * 1e4).log()


@pytest.fixture
def cache(tmp_path: Path) -> AudioCache:
    rng = np.random.default_rng(0)
    parts, clips, at = [], {}, 0
    for name, count in LENGTHS.items():
        parts.append((rng.standard_normal(count) * 3000).astype(np.int16))
        clips[name] = [[at, count, 1 / 32768]]
        at += count
    np.concatenate(parts).tofile(tmp_path / "audio.i16")
    index = {"key": "test", "variants": 0, "failed": {}, "clips": clips}
    (tmp_path / "index.json").write_text(json.dumps(index))
    return AudioCache(tmp_path)


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_dev_logits_are_those_of_a_scan(cache: AudioCache, batch: int) -> None:
    network, names = Loud(), list(LENGTHS)
    wanted = []
    for name in names:
        x = cache.samples(name)
        heard = [tile(x[a:b], PLAN.scored_length(b - a)) for a, b in PLAN.bounds(x.size)]
        scores = [float(network.score(torch.from_numpy(w)[None])) for w in heard]
        # the last window counts for what the one before it did not hold
        last = x.size % PLAN.length or PLAN.length
        wanted.append(np.average(scores, weights=[PLAN.length] * (len(scores) - 1) + [last]))
    found = dev_logits(network, cache, names, window=PLAN, batch=batch)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.ptp(found) > 0


def test_a_kind_with_few_clips_is_told_and_does_not_choose() -> None:
    rng = np.random.default_rng(0)
    kinds = ["tts"] * 60 + ["vc"] * 60 + ["codec"] * 12
    rows = [Row(f"h{i}", "bonafide") for i in range(100)]
    rows += [Row(f"s{i}", "spoof", system=f"{kind}-{i % 3}", kind=kind) for i, kind in enumerate(kinds)]
    shift = {"tts": 2.0, "vc": 1.0, "codec": -3.0}
    logits = np.r_[rng.standard_normal(100), [shift[kind] + rng.standard_normal() for kind in kinds]]
    found = dev_metrics(Manifest(rows), logits, frozenset({"tts-0"}))
    assert found["eer_codec"] > 0.5 > found["eer_vc"] > found["eer_tts"]
    four = [found[key] for key in ("eer", "eer_systems", "eer_unseen", "eer_vc")]
    assert found["choice"] == pytest.approx(np.mean(four))
