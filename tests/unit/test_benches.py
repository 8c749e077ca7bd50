"""What the benches reckon with: long recordings, exact limits, the choice of spans, the list of an ablation."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from audio_files import voice
from lab_files import write_wav

from earwitness.augment.signals import RATE
from earwitness.data.manifest import Manifest, Row
from earwitness.pooling import SpanRule

ROOT = Path(__file__).resolve().parents[2]


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_under_test", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def material() -> ModuleType:
    return load("scripts/long_recordings.py")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    return load("bench/long_recordings.py")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for number in range(14):
        spoof = number >= 9
        write_wav(folder / f"{number}.wav", voice(4.0, seed=number, level=0.05 * (1 + number % 5)))
        label, system = ("spoof", "vits") if spoof else ("bonafide", "human")
        source = "other" if number == 8 else "page"
        row = Row(f"{number}.wav", label, id=f"c{number}", system=system, speaker="ann", source=source, seconds=4.0)
        rows.append(row)
    return Manifest(rows, root=folder)


def test_clips_of_one_speaker_are_joined_at_one_level(material: ModuleType, manifest: Manifest) -> None:
    humans = [r for r in manifest if not r.spoof]
    long = list(material.whole(humans, material.loader(manifest), "human", seed=1, least=6.0))
    # eight clips of one page; the ninth is of another page and too short alone
    assert [len(m.clips) for m in long] == [8]
    samples = long[0].samples
    assert 8 * 4.25 <= long[0].seconds <= 8 * 5.0 + 1.0
    heard = [material.speech_level(samples[int(s * RATE) : int((s + 3) * RATE)]) for s in (1.5, 12, 25)]
    assert max(heard) / min(heard) < 1.6
    again = next(material.whole(humans, material.loader(manifest), "human", seed=1, least=6.0))
    assert np.array_equal(again.samples, samples)
    other = next(material.whole(humans, material.loader(manifest), "human", seed=2, least=6.0))
    assert not np.array_equal(other.samples, samples)


def test_a_splice_lies_where_it_says_at_the_level_around_it(material: ModuleType, manifest: Manifest) -> None:
    made = list(material.splices(list(manifest), material.loader(manifest), count=4, seed=1))
    assert len(made) == 4
    for one in made:
        assert one.clips[-1] in {f"c{n}" for n in range(9, 14)}
        assert one.end - one.start == pytest.approx(2.0, abs=0.001)
        assert 2.0 < one.start < one.end < one.seconds - 2.0
        inside = material.speech_level(one.samples[int(one.start * RATE) : int(one.end * RATE)])
        before = material.speech_level(one.samples[int((one.start - 2) * RATE) : int(one.start * RATE)])
        assert 0.6 < inside / before < 1.7


@pytest.mark.parametrize(("count", "hours"), [(0, 0.5), (2, 0.5), (7, 3.0), (40, 1.0)])
def test_the_upper_limit_of_a_rate_is_exact(bench: ModuleType, count: int, hours: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert bench.upper_limit(count, hours) == pytest.approx(stats.chi2.ppf(0.95, 2 * (count + 1)) / 2 / hours, rel=1e-6)


def test_the_rule_is_the_best_that_keeps_to_the_alarms(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    heard = []
    for number in range(40):
        kind = "splice" if number % 2 else "human"
        # voices differ in their middle; a splice stands 5 above its own
        middle = rng.normal(-4, 2)
        windows = [[2.0 * i, 2.0 * i + 4, 0.0, middle + rng.normal(0, 0.5), 3.0] for i in range(20)]
        if kind == "splice":
            for i in (9, 10):
                windows[i][3] = middle + 5.0
        heard.append(bench.Heard(f"{kind}{number}", kind, 42.0, 20.5, 22.5, None, 40.0, windows))
    rule, tried = bench.choose(heard)
    count, hours = bench.alarms(heard, rule)
    assert count <= 4 * hours
    assert rule.own > 0
    hits, of = bench.found_splices(heard, rule)
    assert hits / of >= 0.8
    plain = max(share for each, _, share in tried if each.own == 0.0)
    assert plain < hits / of
    refused = [bench.Heard(*(*list(vars(h).values())[:5], "music", *list(vars(h).values())[6:])) for h in heard]
    assert bench.alarms(refused, SpanRule(-99.0)) == (0, hours)


def test_every_level_of_the_ablation_is_a_recipe() -> None:
    pytest.importorskip("torch", reason="the lab half is not installed")
    from earwitness.train.recipe import Network, load_recipe

    ablation = load("bench/ablation.py")
    base = load_recipe("wide")
    names = set()
    for factor, level, sets in ablation.levels([]):
        recipe = load_recipe("wide", sets)
        assert (recipe == base) == (not factor)
        names.add(ablation.folder_of(Path("work"), factor, level, 1))
        if "frontend" in " ".join(sets):
            Network(recipe)
    assert len(names) == len(ablation.levels([]))
    assert len(ablation.FACTORS) >= 6
    with pytest.raises(SystemExit, match="unknown factor"):
        ablation.levels(["luck"])


def test_a_background_lies_as_far_below_the_speech_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    background = load("bench/background.py")
    rng = np.random.default_rng(0)
    speech = rng.normal(0, 0.1, 2 * RATE).astype(np.float32)
    # one sound is shorter than the speech and is repeated, the other longer
    sounds = [rng.normal(0, level, length).astype(np.float32) for level, length in ((0.5, RATE), (0.01, 5 * RATE))]
    for at_once in (1, 3):
        change = background.Behind(sounds, 10.0, at_once=at_once)
        heard = change(speech, np.random.default_rng(1))
        assert len(heard) == len(speech)
        added = heard - speech
        assert 20 * np.log10(speech.std() / added.std()) == pytest.approx(10.0, abs=0.1)
        np.testing.assert_array_equal(heard, change(speech, np.random.default_rng(1)))
