"""Reports: tables by group, notes, JSON, result rows, the page and the plots."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from earwitness import metrics
from earwitness.calibrate import Thresholds
from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.baseline import Baseline, find_audit, read_baseline
from earwitness.evaluate.bench import compare
from earwitness.evaluate.breakdown import Settings, breakdowns
from earwitness.evaluate.figures import save_figure
from earwitness.evaluate.groups import group_names
from earwitness.evaluate.output import to_json, write_plots
from earwitness.evaluate.page import page
from earwitness.evaluate.report import ReportSettings, make_report
from earwitness.evaluate.rows import COLUMNS, ResultRow, append_rows, read_rows, result_rows
from earwitness.evaluate.scores import Scores
from earwitness.evaluate.terminal import show
from earwitness.metrics import AsvRates
from earwitness.metrics.shares import wilson


def test_a_rate_of_zero_has_an_upper_limit() -> None:
    rng = np.random.default_rng(0)
    labels = ["bonafide", "spoof"] * 60
    values = np.where(np.arange(120) % 2 == 1, 3.0, -3.0) + 0.1 * rng.standard_normal(120)
    scores = Scores.of([f"t{i}" for i in range(120)], values, labels)
    report = make_report(scores, ReportSettings(draws=50, limits=Thresholds(-1.0, 1.0)))
    for name in ("wrong_synthetic", "wrong_human", "false_alarm", "miss"):
        assert report.intervals[name].value == 0.0
        assert report.intervals[name].high > 0.01


def trials(n=600, *, seed=0, name="one"):
    rng = np.random.default_rng(seed)
    spoof = np.arange(n) % 2 == 1
    hard = (np.arange(n) // 2) % 3 == 0  # every third spoof is by the hard system
    scores = rng.normal(size=n) + np.where(spoof, np.where(hard, 0.5, 3.0), -1.0)
    loud = np.arange(n) % 4 == 0  # half of the human clips are loud and misjudged
    scores[loud & ~spoof] += 1.5
    meta = {
        "system": ["human" if not y else "hifigan-v1" if h else "vits" for y, h in zip(spoof, hard, strict=True)],
        "kind": ["human" if not y else "vocoder" if h else "tts" for y, h in zip(spoof, hard, strict=True)],
        "source": [f"page{i % 30}" for i in range(n)],
        "language": ["en" if i % 5 else "en/ja" for i in range(n)],
        "sex": ["f" if x else "m" for x in loud],
        "seconds": [f"{1 + i % 12}" for i in range(n)],
        "snr_db": ["" if i % 7 == 0 else f"{i % 40}" for i in range(n)],
        "bandwidth_hz": ["3900" if i % 3 else "8000" for i in range(n)],
        "gate": ["too little speech" if i == 1 else "" for i in range(n)],
    }
    words = ["spoof" if y else "bonafide" for y in spoof]
    return Scores.of([f"t{i}" for i in range(n)], scores, words, meta=meta, name=name)


@pytest.fixture(scope="module")
def report():
    settings = ReportSettings(
        draws=60, train_systems=("hifigan",), limits=Thresholds(-1.0, 1.0), dataset="made", split="eval",
        asv=AsvRates(0.02, 0.02, 0.3, 0.0),
    )  # fmt: skip
    return make_report(trials(), settings, facts={"scoring_seconds": 1.5})


def table(found, by):
    return next(t for t in found.tables if t.by == by)


def test_figures_are_those_of_the_metrics(report):
    s = report.scores
    assert report.points["eer"] == pytest.approx(metrics.eer(s.scores, s.truth))
    assert report.points["min_tdcf_2019"] == metrics.min_tdcf(s.scores, s.truth, report.settings.asv)
    for name, interval in report.intervals.items():
        assert interval.low <= report.points[name] <= interval.high, name
    assert set(report.other_intervals) == {"system", "source+system"}, "no speaker is known"


def test_spoof_groups_are_set_against_all_human_speech(report):
    s = report.scores
    by = {g.name: g for g in table(report, "system").groups}
    assert list(by) == ["hifigan-v1", "vits"], "the worst first"
    human = ~s.truth
    keep = human | (np.array(s.column("system")) == "vits")
    assert by["vits"].eer.value == pytest.approx(metrics.eer(s.scores[keep], s.truth[keep]))
    assert (by["vits"].bonafide, by["vits"].spoof) == (300, 200)
    assert by["vits"].false_alarm is None
    assert table(report, "kind").worst.name == "vocoder"


def test_seen_and_unseen_stand_apart(report):
    groups = {g.name: g for g in table(report, "novelty").groups}
    assert {k: g.spoof for k, g in groups.items()} == {"unseen by name": 300, "unseen by family": 200}
    assert not [t for t in breakdowns(trials(), Settings(draws=5)) if t.by == "novelty"]


def test_groups_of_both_classes(report):
    by = {g.name: g for g in table(report, "sex").groups}
    assert by["f"].false_alarm.value > by["m"].false_alarm.value
    assert report.human_false_alarms[0][1].false_alarm.value == max(
        g.false_alarm.value for _, g in report.human_false_alarms
    )
    assert "en/ja" not in {g.name for t in report.tables if t.by == "language" for g in t.groups}
    assert table(report, "snr").unnamed == len([i for i in range(600) if i % 7 == 0])
    assert [g.name for g in sorted(table(report, "duration").groups, key=lambda g: g.name)] == [
        "2 to 5 s",
        "5 to 10 s",
        "over 10 s",
        "under 2 s",
    ]


def test_bands():
    s = Scores.of(
        "abcd", range(4), meta={"seconds": ["2", "1.99", "x", "10"], "bandwidth_hz": ["4000", "", "7000", "1"]}
    )
    assert group_names(s, "duration") == ("2 to 5 s", "under 2 s", "", "over 10 s")
    assert group_names(s, "bandwidth") == ("4 to 7 kHz", "", "over 7 kHz", "under 4 kHz")


def test_small_groups_have_counts_and_no_rates():
    s = trials(40)
    found = {g.name: g for t in breakdowns(s, Settings(draws=5)) if t.by == "system" for g in t.groups}
    assert found["hifigan-v1"].spoof == 7
    assert found["hifigan-v1"].eer is found["hifigan-v1"].miss is None


def test_a_group_from_one_page_is_drawn_by_trial_and_says_so():
    s = trials(400)
    meta = {**s.meta, "source": tuple("one" if y else src for y, src in zip(s.truth, s.column("source"), strict=True))}
    changed = Scores(s.ids, s.scores, s.labels, meta)
    found = {g.name: g for t in breakdowns(changed, Settings(draws=50)) if t.by == "system" for g in t.groups}
    assert found["vits"].eer.by == "source (spoof by trial)"
    assert found["vits"].miss.low < found["vits"].miss.value < found["vits"].miss.high


def test_a_rate_of_nothing_has_a_width():
    s = trials(400).mapped(lambda x: x - 100)
    found = next(t for t in breakdowns(s, Settings(draws=20)) if t.by == "sex").groups[0].false_alarm
    assert found.value == 0.0
    assert 0 < found.high < 0.25
    assert "Wilson" in found.by
    low, high = wilson(0.5, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))


def test_three_verdicts(report):
    s = report.scores
    found = report.verdicts
    assert sum(found["spoof"].values()) == 300
    human = (s.scores < -1) & ~s.truth
    assert found["bonafide"]["likely human"] == human.sum()
    assert report.points["wrong_synthetic"] == found["bonafide"]["likely synthetic"] / 300
    assert report.points["inconclusive"] == sum(v["inconclusive"] for v in found.values()) / 600
    called = (s.scores > 1) & s.truth
    assert found["spoof"]["likely synthetic"] == called.sum() - bool(s.scores[1] > 1), "the gate says inconclusive"


def test_json_is_plain_and_complete(report):
    data = json.loads(to_json([report], baseline=Baseline(0.4, 0.6, "x")))
    assert data["eer"] == pytest.approx(report.points["eer"], abs=1e-6)
    assert 0 <= data["eer"] <= 1
    assert data["trials"] == {"bonafide": 300, "spoof": 300, "without_score": 0}
    assert data["intervals"]["eer"]["by"] == "source"
    assert data["threshold"]["chosen_on"] == "nothing"
    assert data["trivial_baseline"]["eer"] == 0.4
    assert {t["by"] for t in data["breakdowns"]} >= {"system", "kind", "novelty", "sex", "snr", "bandwidth", "duration"}
    assert data["scoring_seconds"] == 1.5


def test_notes_say_what_to_mind(report):
    text = " ".join(report.notes)
    assert "not chosen on data" in text
    reversed_ = make_report(trials(60).mapped(lambda x: -x), ReportSettings(draws=5))
    assert any("direction" in n for n in reversed_.notes)
    alone = make_report(Scores.of("abcd", [1, 2, 3, 4], ["bonafide", "spoof"] * 2), ReportSettings(draws=5))
    assert any("independent" in n for n in alone.notes)
    assert any("Only 2 human" in n for n in alone.notes)


def test_undefined_figures_are_null_not_numbers():
    s = Scores.of("abcd", [-4, -3, -2, -1], ["bonafide", "spoof"] * 2)
    found = make_report(s, ReportSettings(draws=5))
    assert math.isnan(found.points["precision"])
    assert json.loads(to_json([found]))["precision"] is None


def test_result_rows(report, tmp_path):
    rows = result_rows(report, recipe="lcnn", commit="abc", seconds=2.0, machine="m")
    assert len({(r.metric) for r in rows}) == len(rows)
    file = tmp_path / "rows.csv"
    assert append_rows(file, rows) == len(rows)
    assert append_rows(file, [ResultRow("lcnn", "abc", "made", "eval", "nothing", "eer", 0.5)]) == len(rows)
    back = {r["metric"]: r for r in read_rows(file)}
    assert back["eer"]["value"] == "0.5"
    assert back["auc"]["value"] == f"{report.points['auc']:.6f}".rstrip("0")
    assert {"eer[system=vits]", "false_alarm[sex=f]", "eer (by system)"} <= set(back)
    assert file.read_text().splitlines()[0] == ",".join(COLUMNS)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(ManifestError, match="columns a, b"):
        append_rows(file, rows)


class Page(HTMLParser):
    """Open tags, ids and addresses of a page."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in ("src", "href", "xlink:href"):
                self.links.append(value)


@pytest.fixture(scope="module")
def html(report):
    pytest.importorskip("matplotlib", reason="the page's plots need matplotlib")
    other = make_report(trials(seed=1, name="<b>two</b>"), report.settings)
    comparisons, left_out = compare([report, other], draws=50)
    assert left_out == 0
    baseline = Baseline(0.41, 0.6, "x")
    return (
        page([report], baseline=baseline, command="earwitness evaluate & <more>", version="1.2.3"),
        page([report, other], comparisons=comparisons, baseline=baseline),
    )


def test_the_page_is_one_file_without_network(html):
    for text in html:
        found = Page()
        found.feed(text)
        assert "script" not in found.tags
        assert all(link.startswith("#") for link in found.links)
        assert not re.search(r"(https?:)?//(?!www\.w3\.org)", re.sub(r'xmlns(:\w+)?="[^"]*"', "", text))
        assert len(set(found.ids)) == len(found.ids), "ids of the drawings do not collide"
        assert {link[1:] for link in found.links} <= set(found.ids)
        assert "@media print" in text
        assert "prefers-color-scheme: dark" in text


def test_the_page_says_what_was_measured(html, report):
    alone, both = html
    assert f"{100 * report.points['eer']:.2f} %" in alone
    assert "trivial baseline 41.00 %" in alone
    assert "earwitness evaluate &amp; &lt;more&gt;" in alone
    assert "Worst: <strong>hifigan-v1</strong>" in alone
    assert "1.2.3" in alone
    for title in ("ROC", "DET", "Precision and recall", "Score histograms", "Who was called what", "Calibration"):
        assert title in alone
    assert "Paired comparison" in both
    assert "&lt;b&gt;two&lt;/b&gt;" in both
    assert "<b>two" not in both


def test_drawings_take_the_colours_of_the_page(html):
    drawn = re.findall(r"<svg.*?</svg>", html[0], flags=re.DOTALL)
    assert len(drawn) == 8
    for svg in drawn:
        assert "var(--" in svg
        assert not re.search(r"#01[0-9a-f]{2}fe", svg), "a stand-in colour was left"
        assert 'role="img"' in svg


def test_plot_files(report, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    files = write_plots([report], tmp_path / "plots")
    assert {f.name for f in files} >= {"roc.svg", "roc.png", "det.svg", "by-system.png", "confusion.svg"}
    for file in files:
        head = file.read_bytes()[:8]
        assert head == b"\x89PNG\r\n\x1a\n" if file.suffix == ".png" else head.startswith(b"<?xml")
    with pytest.raises(ConfigError, match="svg or"):
        save_figure(lambda _f, _p: None, tmp_path / "x.pdf")


def test_terminal(report, capsys):
    from rich.console import Console

    show(Console(width=160, no_color=True), [report], baseline=Baseline(0.41, 0.6, "x"))
    text = capsys.readouterr().out
    assert f"{100 * report.points['eer']:.2f} %" in text
    assert "worst: hifigan-v1" in text
    assert "trivial baseline" in text
    assert "verdicts on human" in text


def test_baseline_of_an_audit(tmp_path):
    manifest = tmp_path / "m.csv"
    assert find_audit(manifest) is None
    file = tmp_path / "m.csv.audit.json"
    file.write_text('{"trivial_baseline": {"auc": 0.7, "eer": 0.35, "splits": {"eval": {"auc": 0.6, "eer": 0.42}}}}')
    assert find_audit(manifest) == file
    assert read_baseline(file, split="eval") == Baseline(0.42, 0.6, "eval, fitted on train")
    assert read_baseline(file, split="dev").eer == 0.35
    file.write_text('{"trivial_baseline": {"auc": null, "eer": null, "splits": {}}}')
    assert read_baseline(file) is None
    file.write_text("[]")
    with pytest.raises(ManifestError, match="not an audit"):
        read_baseline(file)
