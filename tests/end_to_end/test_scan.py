"""``earwitness scan`` and ``doctor`` as people and scripts use them: words, JSON, exit codes, pipes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.audio import decode
from earwitness.cli import COMMANDS, main
from earwitness.cli.common import Painter, can_print, clock, graph
from earwitness.cli.scan import EXTENSIONS
from earwitness.verdict import Verdict, schema

Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in args])
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out, out.err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, spoof_clip: Path) -> Path:
    """Two recordings at two depths, a broken one, and files that are no recordings."""
    root = tmp_path_factory.mktemp("recordings")
    (root / "deep").mkdir()
    shutil.copy(spoof_clip, root / "b.FLAC")
    shutil.copy(spoof_clip, root / "deep" / "c.flac")
    (root / "a.wav").write_text("this is text")
    (root / "notes.txt").write_text("hello")
    (root / ".hidden.wav").write_text("hello")
    return root


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, spoof_clip: Path) -> Path:
    """30 s of a voice, half of it dull."""
    voice = np.tile(decode(spoof_clip).samples, 12)[: 15 * 16_000]
    dull = np.convolve(voice, np.ones(24) / 24, "same")
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.concatenate([dull, voice]) * 32767).astype("<i2").tobytes())
    return path


def command(*args: object, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "earwitness", *map(str, args)], capture_output=True, check=False, **settings
    )


def test_in_words(run: Run, tiny_detector: Path, spoof_clip: Path) -> None:
    code, out, err = run("scan", "--detector", tiny_detector, spoof_clip)
    assert (code, err) == (0, "")
    assert "LIKELY SYNTHETIC" in out
    assert "% generated at prior 50 %" in out
    assert "No measured rate for audio like this." in out
    assert "evidence, not proof" in out
    assert "\033[" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_long_recording_is_shown_over_time(run: Run, tiny_detector: Path, long_clip: Path) -> None:
    _, out, _ = run("scan", "--detector", tiny_detector, long_clip)
    line = next(line for line in out.splitlines() if "over time" in line)
    bars = line.split("0:00 ")[1].split(" 0:30.0")[0]
    assert len(set(bars)) > 1
    assert bars[1] < bars[-2]
    span = next(line for line in out.splitlines() if line.strip().startswith("span"))
    assert "to 0:30.0 looks generated" in span


def test_one_file_gives_an_object_and_several_a_list(
    run: Run, tiny_detector: Path, spoof_clip: Path, folder: Path
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks the schema (extra [dev])")
    check = jsonschema.Draft202012Validator(schema()).validate
    code, out, _ = run("scan", "--json", "--detector", tiny_detector, spoof_clip)
    one = json.loads(out)
    check(one)
    assert code == 0
    assert one["path"] == str(spoof_clip)
    code, out, _ = run("scan", "--json", "--detector", tiny_detector, folder, spoof_clip)
    several = json.loads(out)
    assert code == 1
    assert [v["path"] for v in several] == [
        str(folder / "a.wav"),
        str(folder / "b.FLAC"),
        str(folder / "deep" / "c.flac"),
        str(spoof_clip),
    ]
    for entry in several:
        check(entry)
        Verdict.from_dict(entry)
    assert set(several[0]) == {"path", "error"}
    assert several[1]["llr"] == several[3]["llr"] == one["llr"]
    only = folder / "deep"
    assert len(json.loads(run("scan", "--json", "--detector", tiny_detector, only)[1])) == 1


def test_lines_of_json(run: Run, tiny_detector: Path, folder: Path) -> None:
    code, out, err = run("scan", "--jsonl", "--detector", tiny_detector, folder)
    entries = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert err == ""
    assert [Path(e["path"]).name for e in entries] == ["a.wav", "b.FLAC", "c.flac"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_jobs_keep_the_order_and_the_scores(
    run: Run, tiny_detector: Path, spoof_clip: Path, long_clip: Path, folder: Path, jobs: int
) -> None:
    inputs = [long_clip, spoof_clip, folder / "a.wav"] * 5
    _, out, _ = run("scan", "--jsonl", "--jobs", jobs, "--detector", tiny_detector, *inputs)
    entries = [json.loads(line) for line in out.splitlines()]
    assert [e["path"] for e in entries] == [str(p) for p in inputs]
    assert len({e["llr"] for e in entries[0::3]}) == 1
    assert all("error" in e for e in entries[2::3])


def test_one_bad_input_is_reported_and_the_others_are_scanned(run: Run, tiny_detector: Path, spoof_clip: Path) -> None:
    code, out, err = run("scan", "--detector", tiny_detector, "missing.wav", spoof_clip)
    assert code == 1
    assert "missing.wav: no such file" in err
    assert "LIKELY SYNTHETIC" in out
    assert "2 recordings: 0 likely human, 0 inconclusive, 1 likely synthetic, 1 error" in out


def test_a_fault_of_ours_costs_one_recording_only(
    run: Run, tiny_detector: Path, spoof_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earwitness.detector import Detector

    scan = Detector.scan

    def faulty(self: Detector, source: Any, **settings: Any) -> Verdict:
        if source == "odd.wav":
            raise ZeroDivisionError("by zero")
        return scan(self, source, **settings)

    monkeypatch.setattr(Detector, "scan", faulty)
    code, out, _ = run("scan", "--jsonl", "--detector", tiny_detector, "odd.wav", spoof_clip)
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert first["error"]["code"] == "internal"
    assert "ZeroDivisionError" in first["error"]["message"]
    assert second["label"] == "likely synthetic"


def test_an_empty_folder_is_an_error(run: Run, tiny_detector: Path, tmp_path: Path) -> None:
    code, _, err = run("scan", "--detector", tiny_detector, tmp_path)
    assert code == 1
    assert "no recordings in this folder" in err


def test_fail_on_has_its_own_code_and_gives_way_to_errors(run: Run, tiny_detector: Path, spoof_clip: Path) -> None:
    base = ("scan", "--jsonl", "--detector", tiny_detector, "--fail-on", "synthetic")
    assert run(*base, spoof_clip)[0] == 3
    assert run(*base, "--threshold", 50, spoof_clip)[0] == 0
    assert run(*base, spoof_clip, "missing.wav")[0] == 1


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--json", "--jsonl", "x.wav"),
        ("--prior", "1.5", "x.wav"),
        ("--prior", "much", "x.wav"),
        ("--cost-miss", "0", "x.wav"),
        ("--window", "-1", "x.wav"),
        ("--jobs", "-1", "x.wav"),
        ("--fail-on", "human", "x.wav"),
        ("--nonsense", "x.wav"),
        ("--html", "no/such/folder/x.html", "x.wav"),
    ],
)
def test_wrong_usage(run: Run, tiny_detector: Path, args: tuple[str, ...]) -> None:
    code, out, err = run("scan", "--detector", tiny_detector, *args)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_a_detector_that_does_not_load_is_an_error_before_any_work(run: Run, tmp_path: Path, spoof_clip: Path) -> None:
    code, out, err = run("scan", "--detector", tmp_path, spoof_clip)
    assert (code, out) == (1, "")
    assert "detector.json is missing" in err


def test_settings_reach_the_verdict(run: Run, tiny_detector: Path, long_clip: Path) -> None:
    args = ("--prior", 0.1, "--cost-miss", 2, "--cost-false-alarm", 4, "--window", 3)
    made = json.loads(run("scan", "--json", "--detector", tiny_detector, *args, long_clip)[1])
    shift = np.log(4 * 0.9 / (2 * 0.1))
    assert made["prior"] == 0.1
    assert made["costs"] == {"miss": 2.0, "false_alarm": 4.0}
    assert made["thresholds"] == pytest.approx({"human": -1 + shift, "synthetic": 1 + shift})
    assert made["windows"][0]["end"] == 3


def test_standard_input_and_pipes(tiny_detector: Path, spoof_clip: Path, run: Run) -> None:
    expected = json.loads(run("scan", "--json", "--detector", tiny_detector, spoof_clip)[1])
    done = command("scan", "--json", "--detector", tiny_detector, "-", input=spoof_clip.read_bytes())
    found = json.loads(done.stdout)
    assert found["path"] == "-"
    assert found["llr"] == pytest.approx(expected["llr"], abs=1e-6)
    assert found["source"]["sha256"] == expected["source"]["sha256"]
    empty = command("scan", "--json", "--detector", tiny_detector, "-", input=b"")
    assert empty.returncode == 1
    assert "error" in json.loads(empty.stdout)


def test_the_library_gives_what_the_command_gives(run: Run, tiny_detector: Path, long_clip: Path) -> None:
    import earwitness

    out = run("scan", "--json", "--detector", tiny_detector, long_clip)[1]
    assert earwitness.scan(str(long_clip), detector=tiny_detector) == Verdict.from_json(out)


def test_a_report_is_written(run: Run, tiny_detector: Path, spoof_clip: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    code, _, err = run("scan", "--html", page, "--detector", tiny_detector, spoof_clip)
    assert code == 0
    assert str(page) in err
    text = page.read_text(encoding="utf-8")
    assert decode(spoof_clip).source.sha256 in text
    assert "likely synthetic" in text.lower()


def test_colours_where_asked_for_only(tiny_detector: Path, spoof_clip: Path) -> None:
    args = ("scan", "--detector", tiny_detector, spoof_clip)
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    assert b"\033[31m" in command(*args, env={**clean, "FORCE_COLOR": "1"}).stdout.replace(b"1;31", b"31")
    assert b"\033[" not in command(*args, env={**clean, "FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout


def test_a_terminal_gets_colours_and_a_bar(tiny_detector: Path, long_clip: Path) -> None:
    pty = pytest.importorskip("pty", reason="needs a Unix terminal")
    leader, follower = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")} | {"TERM": "xterm"}
    args = [sys.executable, "-m", "earwitness", "scan", "--detector", str(tiny_detector), str(long_clip)]
    with subprocess.Popen(args, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:
                break
            seen += piece
            if not piece:
                break
        process.wait()
    os.close(leader)
    assert process.returncode == 0
    assert b"\033[1m" in seen


def test_an_old_terminal_gets_ascii(tiny_detector: Path, long_clip: Path) -> None:
    done = command("scan", "--detector", tiny_detector, long_clip, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    line = next(line for line in done.stdout.decode("ascii").splitlines() if "over time" in line)
    bars = line.split("0:00 ")[1].split(" 0:30.0")[0]
    assert len(set(bars)) > 1
    assert set(bars) <= set(".:-=+*%#")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_odd_file_names_survive(tiny_detector: Path, spoof_clip: Path, tmp_path: Path, encoding: str) -> None:
    names = (b"gr\xc3\xbc\xc3\x9fe.flac", b"bytes-\xff.flac", b"steer-\x1b[2J.flac")
    places = [os.path.join(os.fsencode(tmp_path), name) for name in names]
    for place in places:
        shutil.copy(os.fsencode(spoof_clip), place)
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    args = [sys.executable, "-m", "earwitness", "scan", "--detector", str(tiny_detector), *places]
    shown = subprocess.run([*args, "--jsonl"], capture_output=True, check=True, env=env).stdout
    assert [os.fsencode(json.loads(line)["path"]) for line in shown.splitlines()] == places
    words = subprocess.run(args, capture_output=True, check=True, env=env).stdout
    assert words.count(b"LIKELY SYNTHETIC") == 3
    assert b"\x1b" not in words


def test_a_reader_that_goes_away_ends_it_quietly(tiny_detector: Path, folder: Path) -> None:
    script = f"{sys.executable} -m earwitness scan --jsonl --detector {tiny_detector} {folder} | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_doctor(run: Run, tiny_detector: Path, tmp_path: Path) -> None:
    code, out, _ = run("doctor", "--detector", tiny_detector)
    assert code == 0
    assert "tiny-tilt" in out
    code, out, _ = run("doctor", "--json", "--detector", tiny_detector)
    facts = json.loads(out)
    assert code == 0
    assert facts["detector"]["ok"] is True
    assert facts["packages"]["onnxruntime"]
    assert facts["ffmpeg"]["missing"] == []
    broken = tmp_path / "broken"
    shutil.copytree(tiny_detector, broken)
    (broken / "model.onnx").write_bytes(b"x")
    code, out, _ = run("doctor", "--detector", broken)
    assert code == 1
    assert "changed since" in out


def test_help_version_and_names(run: Run) -> None:
    import earwitness

    assert run("--version")[:2] == (0, f"earwitness {earwitness.__version__}\n")
    code, out, _ = run("--help")
    assert code == 0
    assert COMMANDS["scan"][1] in " ".join(out.split())
    code, _, err = run("scann")
    assert code == 2
    assert "'scan'" in err
    assert "--fail-on" in run("scan", "--help")[1]
    assert run()[0] == 2


def test_completion_knows_commands_and_options() -> None:
    def complete(words: str, at: int) -> str:
        env = {**os.environ, "_EARWITNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return command(env=env).stdout.decode()

    assert "scan" in complete("earwitness sc", 1)
    assert "--fail-on" in complete("earwitness scan --fa", 2)


def test_a_command_is_imported_only_when_it_is_used(tiny_detector: Path, spoof_clip: Path) -> None:
    program = (
        "import sys, contextlib, io\n"
        "from earwitness.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main(['scan', '--jsonl', '--detector', {str(tiny_detector)!r}, {str(spoof_clip)!r}])\n"
        "loaded = [m for m in sys.modules if m.startswith('earwitness.cli.')]\n"
        "print(*loaded, *({'torch', 'scipy', 'polars', 'rich', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"earwitness.cli.common", "earwitness.cli.scan"}


def test_small_things() -> None:
    assert {"wav", "mp3", "m4a", "opus", "mp4", "mkv"} <= EXTENSIONS
    assert graph([-99.0, 99.0, None]) == "▁█ "
    assert clock(59.96) == "1:00.0"
    assert Painter(on=True)("x", "red") == "\033[31mx\033[0m"
    assert not can_print("▁", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
