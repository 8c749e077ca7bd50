"""``earwitness robustness``, ``attack`` and ``errors`` on a small detector; no verdict on what is not speech."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from audio_files import voice, wav_bytes

from earwitness.cli import main
from earwitness.evaluate.rows import read_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(capsys):
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*args):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in args])
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out, out.err

    return call


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """Thirty made-up voices in two splits; the generated ones hiss, which is what the small detector hears."""
    root = tmp_path_factory.mktemp("trials")
    lines = ["id,path,label,split,system,kind,source"]
    for index in range(30):
        spoof = index % 2 == 1
        hiss = np.random.default_rng(index).normal(0, 0.02 + 0.1 * spoof, 20_000)
        (root / f"{index}.wav").write_bytes(wav_bytes(voice(1.25, seed=index) + hiss))
        label, system, kind = ("spoof", "vits", "tts") if spoof else ("bonafide", "human", "human")
        lines.append(f"c{index},{index}.wav,{label},{'dev' if index < 10 else 'eval'},{system},{kind},p{index % 5}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root / "manifest.csv"


def test_robustness_of_a_detector_and_of_a_function(run, trials, tiny_detector, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("matplotlib", reason="plots come with the lab half")
    few = ["--condition", "level -20 dB", "--condition", "noise 5 dB", "--draws", "50", "--keep", "kept"]
    out = ["--html", "page.html", "--heatmap", "heat.png", "--rows", "rows.csv"]
    code, text, _ = run("robustness", tiny_detector, trials, *few, *out)
    assert code == 0
    assert "10 human, 10 generated" in text
    assert "noise 5 dB" in text
    rows = {row["metric"]: row for row in read_rows(tmp_path / "rows.csv")}
    assert {row["split"] for row in rows.values()} == {"eval"}
    assert float(rows["eer[condition=as it is]"]["value"]) == 0.0
    change = rows["eer_change[condition=noise 5 dB]"]
    assert float(change["low"]) <= float(change["value"]) <= float(change["high"])
    assert len(list((tmp_path / "kept").iterdir())) == 3
    assert (tmp_path / "heat.png").stat().st_size > 5_000
    assert "noise 5 dB" in (tmp_path / "page.html").read_text()

    (tmp_path / "hissing.py").write_text(
        "from earwitness.audio import decode\nimport numpy as np\n"
        "def score(path):\n    x = decode(path).samples\n"
        "    return -float(np.log(np.mean(np.diff(x) ** 2) / np.mean(x ** 2)))\n"
    )
    words = ["--callable", "hissing:score", "--direction", "bonafide", "--dev-split", "dev", "--json"]
    code, text, _ = run("robustness", trials, *few[:2], *words, "--draws", 20)
    assert code == 0
    found = {row["metric"]: row["value"] for row in json.loads(text)}
    assert float(found["eer[condition=level -20 dB]"]) == 0.0
    assert float(found["miss[condition=level -20 dB]"]) < 0.2
    code, _, error = run("robustness", tiny_detector, trials, "--condition", "fog")
    assert code == 2
    assert "unknown condition 'fog'" in error


def test_attacks_on_the_graph_of_a_detector(run, trials, tiny_detector, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="the lab half is not installed")
    monkeypatch.chdir(tmp_path)
    words = ["--limit", 4, "--method", "random", "--method", "pgd", "--snr", 25, "--steps", 3, "--copies", 1]
    code, text, _ = run("attack", tiny_detector, trials, *words, "--rows", "rows.csv")
    assert code == 0
    assert "pgd" in text
    rows = {row["metric"]: float(row["value"]) for row in read_rows(tmp_path / "rows.csv") if row["value"]}
    where = "[attack={}, snr=25 dB, input=plain, clips=4]"
    assert rows["turned" + where.format("pgd")] >= rows["turned" + where.format("random")]
    assert rows["snr" + where.format("pgd")] >= 24.9
    code, _, error = run("attack", tmp_path, trials)
    assert code == 2
    assert "no detector folder" in error


def test_errors_of_a_detector(run, trials, tiny_detector, tmp_path, monkeypatch):
    pytest.importorskip("sklearn", reason="the lab half is not installed")
    monkeypatch.chdir(tmp_path)
    code, text, _ = run("errors", tiny_detector, trials, "--page", "errors.md", "--rows", "rows.csv")
    assert code == 0
    assert "False alarms" in text
    assert "fewer than 20 clips" in text
    assert (tmp_path / "errors.md").read_text() == text.rstrip("\n") + "\n"
    assert {row["metric"] for row in read_rows(tmp_path / "rows.csv")} >= {"false_alarm", "miss"}
    assert run("errors", tmp_path, trials)[0] == 2


def bench():
    spec = importlib.util.spec_from_file_location("bench_not_speech", ROOT / "bench" / "not_speech.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_sounds_that_are_no_speech_get_no_confident_verdict(tmp_path):
    """Four of each made kind; ``bench/not_speech.py`` takes a hundred."""
    from earwitness.detector import load_detector

    detector, made = load_detector(threads=1), bench()
    for kind in ("noise", "tones"):
        assert made.verdicts(detector, made.sounds(kind, 4, tmp_path)) == {"inconclusive": 4}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("kind", ["music", "noise", "tones", "environment"])
def test_of_a_hundred_sounds_at_most_one_gets_a_confident_verdict(kind, tmp_path):
    from earwitness.detector import load_detector

    detector, made = load_detector(threads=1), bench()
    try:
        clips = made.sounds(kind, made.EACH, tmp_path)
    except made.Unreachable as why:
        pytest.skip(str(why))
    counts = made.verdicts(detector, clips)
    assert len(clips) == made.EACH
    assert len(clips) - counts["inconclusive"] <= 1
