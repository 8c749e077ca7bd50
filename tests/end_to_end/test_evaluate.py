"""``earwitness evaluate``, ``compare``, ``score`` and ``calibrate`` as people and scripts use them."""

from __future__ import annotations

import http.server
import importlib.util
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from audio_files import voice, wav_bytes

from earwitness import metrics
from earwitness.cli import main
from earwitness.data import DATASETS
from earwitness.data.building import build
from earwitness.detector import Detector
from earwitness.evaluate.rows import read_rows


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


def clip(index, *, spoof):
    """A made-up voice; the spoofs hiss, which is what the detector of these tests hears."""
    hiss = np.random.default_rng(index).normal(0, 0.02 + 0.12 * spoof * (index % 5 > 0), 20_000)
    return wav_bytes(voice(1.25, seed=index) + hiss)


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """Sixty clips in two splits with a manifest; one of the clips is broken."""
    root = tmp_path_factory.mktemp("trials")
    lines = ["id,path,label,split,system,speaker,source,language,seconds"]
    for index in range(60):
        spoof = index % 2 == 1
        (root / f"{index}.wav").write_bytes(clip(index, spoof=spoof) if index != 58 else b"this is text")
        label, system = ("spoof", f"sys{index % 3}") if spoof else ("bonafide", "human")
        split = "dev" if index < 30 else "eval"
        lines.append(f"c{index},{index}.wav,{label},{split},{system},p{index % 4},page{index % 6},en,1.25")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def llrs(trials, tiny_detector):
    """The detector's own scores, file by file, without the command."""
    detector = Detector.load(tiny_detector)
    return {i: detector.scan(trials / f"{i}.wav").llr for i in range(60) if i != 58}


def arrays(llrs, split):
    chosen = [i for i in llrs if (i >= 30) == (split == "eval")]
    return np.array([llrs[i] for i in chosen]), np.array([i % 2 == 1 for i in chosen])


def test_a_detector_on_a_manifest(run, trials, tiny_detector, llrs, tmp_path):
    rows = tmp_path / "rows.csv"
    code, out, _ = run("evaluate", tiny_detector, trials / "manifest.csv", "--json", "--draws", 50, "--rows", rows)
    assert code == 0
    found = json.loads(out)
    values, labels = arrays(llrs, "eval")
    assert found["eer"] == pytest.approx(metrics.eer(values, labels), abs=1e-6)
    assert found["auc"] == pytest.approx(metrics.auc(values, labels), abs=1e-6)
    assert found["accuracy"] == pytest.approx(metrics.accuracy(values, labels), abs=1e-6)
    assert found["split"] == "eval"
    assert found["trials"] == {"bonafide": 14, "spoof": 15, "without_score": 1}
    assert sum(found["reasons_without_score"].values()) == 1
    assert found["detector"]["id"] == "tiny-tilt"
    assert sum(sum(v.values()) for v in found["verdicts"].values()) == 29
    assert any("no score" in note for note in found["notes"])
    back = {r["metric"]: r for r in read_rows(rows)}
    assert float(back["eer"]["value"]) == pytest.approx(found["eer"], abs=1e-6)
    assert back["eer"]["dataset"] == trials.name
    assert back["eer"]["split"] == "eval"


def test_in_words_with_page_and_plots(run, trials, tiny_detector, tmp_path):
    pytest.importorskip("matplotlib", reason="the page's plots need matplotlib")
    page, plots = tmp_path / "out" / "page.html", tmp_path / "plots"
    code, out, _ = run(
        "evaluate", tiny_detector, trials / "manifest.csv", "--draws", 20, "--jobs", 2, "--html", page, "--plots", plots
    )
    assert code == 0
    assert "EER" in out
    assert "verdicts on human" in out
    assert "\x1b[" not in out, "no colours in a pipe"
    assert "tiny-tilt" in page.read_text()
    assert (plots / "roc.svg").is_file()


def test_scores_written_by_score_give_the_same_report(run, trials, tiny_detector, tmp_path):
    alone = json.loads(run("evaluate", tiny_detector, trials / "manifest.csv", "--json", "--draws", 10)[1])
    for form, direction in (("csv", "spoof"), ("asvspoof2019", "bonafide"), ("asvspoof5", "bonafide")):
        file = tmp_path / f"{form}.txt"
        code, out, err = run(
            "score",
            trials / "manifest.csv",
            "-o",
            file,
            "--format",
            form,
            "--detector",
            tiny_detector,
            "--split",
            "eval",
        )
        assert code == 0
        assert f"29 scores of tiny-tilt 0.0.1, higher = {direction}" in out
        assert "1 recordings have no score, the first is c58" in err
        key = tmp_path / "key.csv"
        lines = (trials / "manifest.csv").read_text().splitlines()
        keep = [line for line in lines if line.startswith("id") or (",eval," in line and not line.startswith("c58,"))]
        key.write_text("\n".join(keep) + "\n")
        given = [] if form == "asvspoof2019" else ["--key", key]
        code, out, _ = run("evaluate", "--scores", file, "--direction", direction, *given, "--json", "--draws", 10)
        assert code == 0
        again = json.loads(out)
        for name in ("eer", "auc", "cllr", "average_precision", "min_dcf"):
            assert again[name] == pytest.approx(alone[name], abs=1e-9), (form, name)


SCRIPT = """
import sys, wave
def score(path):
    with wave.open(path) as f:
        frames = f.readframes(f.getnframes())
    values = memoryview(frames).cast("h")
    return sum(abs(values[i] - values[i - 1]) for i in range(1, 4000)) / 4000
if __name__ == "__main__":
    with open(sys.argv[1]) as f, open(sys.argv[2], "w") as out:
        for line in f:
            path = line.rstrip("\\n")
            try:
                out.write(f"{path}\\t{-score(path)}\\n")
            except wave.Error:
                out.write(f"{path}\\t\\n")
"""


SAFE = """
def safe(path):
    try:
        return score(path)
    except wave.Error:
        return None
"""


class Service(http.server.BaseHTTPRequestHandler):
    """Scores by the number of different bytes."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"score": len(set(body[200:4000]))}).encode())

    def log_message(self, *_):
        pass


def test_detectors_of_every_kind_side_by_side(run, trials, tiny_detector, tmp_path, monkeypatch):
    (tmp_path / "foreign_for_a_test.py").write_text(
        SCRIPT.replace(
            "if __name__",
            SAFE + "if __name__",
            1,
        )
    )
    monkeypatch.chdir(tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        code, out, err = run(
            "evaluate", tiny_detector, trials / "manifest.csv", "--json", "--draws", 30,
            "--command", f"{sys.executable} foreign_for_a_test.py {{list}} {{out}}", "--direction", "bonafide",
            "--url", f"http://127.0.0.1:{server.server_port}/", "--field", "/score", "--direction", "spoof",
            "--callable", "foreign_for_a_test:safe", "--direction", "spoof",
            "--name", "ours", "--name", "command", "--name", "service", "--name", "function",
            "--keep-scores", tmp_path / "kept",
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert code == 0, err
    found = json.loads(out)
    reports = {r["name"]: r for r in found["reports"]}
    assert list(reports) == ["ours", "command", "service", "function"]
    assert reports["command"]["eer"] == reports["function"]["eer"] < 0.5
    assert (
        reports["command"]["trials"]
        == reports["function"]["trials"]
        == {"bonafide": 14, "spoof": 15, "without_score": 1}
    )
    assert reports["service"]["trials"]["without_score"] == 0
    assert len(found["differences"]) == 6 * 3
    same = [d for d in found["differences"] if (d["first"], d["second"], d["metric"]) == ("command", "function", "eer")]
    assert same[0]["value"] == 0.0
    assert same[0]["p"] == 1.0
    assert "1 trials that not all detectors scored" in err
    assert {f.name for f in (tmp_path / "kept").iterdir()} == {f"{n}.csv" for n in reports}
    code, out, _ = run(
        "compare", tmp_path / "kept" / "ours.csv", tmp_path / "kept" / "command.csv", "--direction", "spoof",
        "--metric", "auc", "--draws", 30, "--json",
    )  # fmt: skip
    compared = json.loads(out)
    assert code == 0
    assert compared["values"]["ours"]["auc"] == pytest.approx(reports["ours"]["auc"], abs=1e-6)
    assert [d["metric"] for d in compared["differences"]] == ["auc"]


def test_a_threshold_comes_from_dev_and_is_reported_on_eval(run, trials, tiny_detector, llrs):
    code, out, _ = run(
        "evaluate",
        tiny_detector,
        trials / "manifest.csv",
        "--rule",
        "max-f1",
        "--dev-split",
        "dev",
        "--json",
        "--draws",
        10,
    )
    assert code == 0
    found = json.loads(out)
    assert found["threshold"]["chosen_on"] == "dev"
    values, labels = arrays(llrs, "dev")
    best = max(metrics.f1(values, labels, threshold=t) for t in values)
    assert metrics.f1(values, labels, threshold=found["threshold"]["value"]) == pytest.approx(best)
    values, labels = arrays(llrs, "eval")
    assert found["f1"] == pytest.approx(metrics.f1(values, labels, threshold=found["threshold"]["value"]), abs=1e-6)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["{manifest}"], 2, "no detector to measure"),
        ([], 2, "no detector"),
        (["{detector}"], 2, "nothing to score"),
        (["nowhere", "{manifest}"], 2, "'nowhere' is no detector folder"),
        (["{detector}", "{manifest}", "--rule", "eer"], 2, "needs trials to choose on"),
        (["{detector}", "{manifest}", "--cluster", "moon"], 2, "unknown clustering"),
        (["{detector}", "{manifest}", "--split", "test"], 1, "splits: dev, eval"),
        (["{detector}", "{root}"], 2, "is a folder"),
        (["--scores", "{root}/s.txt"], 2, "--direction bonafide or --direction spoof"),
        (["--scores", "{root}/s.txt", "--direction", "up"], 2, "unknown direction"),
        (["--scores", "{root}/s.txt", "--direction", "spoof"], 2, "give them with --key"),
        (
            ["--scores", "{root}/s.txt", "--direction", "spoof", "--key", "{manifest}"],
            1,
            "1 scores without a label (x), 60 labels",
        ),
        (["{detector}", "--data", "no-such-set", "{root}"], 2, "no corpus named"),
    ],
)
def test_wrong_use_is_told_and_coded(run, trials, tiny_detector, args, code, message):
    (trials / "s.txt").write_text("x 1.0\n")
    places = {"{manifest}": trials / "manifest.csv", "{detector}": tiny_detector}
    given = [str(places.get(a, a)).replace("{root}", str(trials)) for a in args]
    found, _, err = run("evaluate", *given)
    assert message in err
    assert found == code


def test_oracle_scores_on_the_command_line(run, shared):
    folder = shared / "oracles" / "scores"
    code, out, _ = run(
        "evaluate", "--scores", folder / "asvspoof2019-la-eval.rawgat-st-mul.txt.gz", "--direction", "bonafide",
        "--asv-scores", folder / "asvspoof2019-la-eval.asv.txt.gz", "--convention", "asvspoof", "--json", "--draws", 10,
    )  # fmt: skip
    assert code == 0
    found = json.loads(out)
    assert 100 * found["eer"] == pytest.approx(1.060, abs=0.0005)
    assert 100 * found["eer_interpolated"] == pytest.approx(1.0605, abs=0.0005)
    assert round(found["min_tdcf_2019"], 4) == 0.0335
    assert round(100 * found["asv_eer"], 3) == 2.458


test_oracle_scores_on_the_command_line = pytest.mark.corpus(test_oracle_scores_on_the_command_line)


def miniatures():
    """The builders of small corpora that the contract tests of the readers use."""
    place = Path(__file__).parents[1] / "contract" / "test_every_dataset.py"
    spec = importlib.util.spec_from_file_location("miniatures_for_evaluate", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.MINIATURES


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"table", "demo-pages"}))
def test_real_world_sets_by_name(run, tiny_detector, tmp_path, name):
    """Every corpus that needs nothing but its folder, from its own tree to a report. (The other two go by manifest.)"""
    made = miniatures()[name](tmp_path / "corpus")
    manifest = build(name, made.root, **made.options).manifest
    for index, row in enumerate(manifest):
        manifest.file(row).write_bytes(clip(2 * index + row.spoof, spoof=row.spoof))
    extra = ["--reals", made.options["reals"]] if "reals" in made.options else []
    splits = {row.split for row in manifest}
    both = [s for s in sorted(splits) if {r.label for r in manifest if r.split == s} == {"bonafide", "spoof"}]
    split = next(s for s in ("eval", "test", *both) if s in both)
    code, out, err = run(
        "evaluate", tiny_detector, "--data", name, made.root, *extra, "--split", split, "--json", "--draws", 5
    )
    assert code == 0, err
    found = json.loads(out)
    assert found["dataset"] == name
    rows = [row for row in manifest if row.split == split]
    assert found["trials"]["bonafide"] + found["trials"]["spoof"] == len(rows)
    assert 0.0 <= found["eer"] <= 1.0


def test_calibrate_and_evaluate_with_the_profile(run, tiny_detector, tmp_path):
    for index in range(24):
        folder = tmp_path / ("fake" if index % 2 else "human")
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.wav").write_bytes(clip(index, spoof=index % 2 == 1))
    (tmp_path / "human" / "broken.wav").write_bytes(b"text")
    profile = tmp_path / "studio.json"
    code, out, err = run(
        "calibrate", tiny_detector, "--human", tmp_path / "human", "--fake", tmp_path / "fake", "-o", profile
    )
    assert code == 0, err
    assert "fitted on 12 human and 12 generated clips" in out
    assert "1 clips have no score" in err
    assert "warning: only 12 human" in err
    made = json.loads(profile.read_text())
    assert made["name"] == "studio"
    assert made["measured"]["cllr_after"] > 0
    lines = ["path,label"] + [
        f"{'fake' if i % 2 else 'human'}/{i}.wav,{'spoof' if i % 2 else 'bonafide'}" for i in range(24)
    ]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    plain = json.loads(run("evaluate", tiny_detector, tmp_path / "m.csv", "--json", "--draws", 5)[1])
    with_it = json.loads(
        run("evaluate", tiny_detector, tmp_path / "m.csv", "--json", "--draws", 5, "--profile", profile)[1]
    )
    assert with_it["eer"] == pytest.approx(plain["eer"])
    assert with_it["cllr"] < plain["cllr"]
    assert with_it["limits"] == made["thresholds"]
    clips = [tmp_path / "fake" / "1.wav", tmp_path / "human" / "2.wav"]
    own = json.loads(run("scan", "--detector", tiny_detector, "--json", *clips)[1])
    new = json.loads(run("scan", "--detector", tiny_detector, "--json", "--profile", profile, *clips)[1])
    for before, after in zip(own, new, strict=True):
        assert after["llr"] == pytest.approx(made["scale"] * before["llr"] + made["offset"], abs=1e-4)
        assert after["thresholds"] == made["thresholds"]
        assert after["detector"]["version"] == "0.0.1+studio"
    code, _, err = run("calibrate", tiny_detector, "--human", tmp_path, "--fake", tmp_path / "none", "-o", profile)
    assert code == 2
