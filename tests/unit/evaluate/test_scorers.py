"""Anybody's detector: callables, commands and services, and what happens when they misbehave."""

from __future__ import annotations

import http.server
import json
import re
import sys
import threading
from pathlib import Path

import pytest

from earwitness.data.manifest import Manifest, Row
from earwitness.errors import ConfigError, ManifestError
from earwitness.evaluate.external import CommandScorer, UrlScorer, at_pointer, multipart
from earwitness.evaluate.scorers import CallableScorer, score_manifest


@pytest.fixture
def manifest(tmp_path):
    """Five files whose size is their score."""
    rows = []
    for index, name in enumerate(("a.wav", "b c.wav", "d.wav", "ü.wav", 'q"uote.wav')):
        (tmp_path / name).write_bytes(b"x" * (index + 1))
        rows.append(
            Row(name, "spoof" if index % 2 else "bonafide", id=f"id{index}", system="vits" if index % 2 else "")
        )
    return Manifest(rows, root=tmp_path, where="m.csv")


def test_callable(manifest):
    seen = []
    scorer = CallableScorer(lambda p: float(Path(p).stat().st_size), direction="bonafide", name="size")
    scored = score_manifest(scorer, manifest, progress=seen.append)
    assert scored.scores.scores.tolist() == [-1, -2, -3, -4, -5]
    assert scored.scores.ids == ("id0", "id1", "id2", "id3", "id4")
    assert scored.scores.truth.tolist() == [False, True, False, True, False]
    assert scored.scores.column("system") == ("", "vits", "", "vits", "")
    assert seen == [1, 2, 3, 4, 5]
    assert scored.seconds > 0


def test_several_threads_keep_the_order(manifest):
    scorer = CallableScorer(lambda p: float(Path(p).stat().st_size), direction="spoof", jobs=4)
    assert score_manifest(scorer, manifest).scores.scores.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ConfigError, match="jobs"):
        score_manifest(CallableScorer(len, direction="spoof", jobs=0), manifest)


def test_callable_without_a_score_and_with_an_error(manifest):
    scorer = CallableScorer(
        lambda p: None if "d.wav" in p else float("nan") if "a.wav" in p else 1.0, direction="spoof"
    )
    found = score_manifest(scorer, manifest).scores
    assert set(found.missing) == {"id0", "id2"}
    assert len(found) == 3

    def broken(_path):
        raise ValueError("no such model")

    with pytest.raises(ManifestError, match=r"broken failed on .*a\.wav: ValueError: no such model"):
        score_manifest(CallableScorer(broken, direction="spoof"), manifest)
    with pytest.raises(ManifestError, match="none of the 5 files has a score"):
        score_manifest(CallableScorer(lambda _p: None, direction="spoof"), manifest)


def test_callable_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine_for_a_test.py").write_text("def score(path):\n    return 2.0\n")
    monkeypatch.chdir(tmp_path)
    scorer = CallableScorer.named("mine_for_a_test:score", direction="spoof")
    assert scorer.function("x") == 2.0
    assert scorer.name == "mine_for_a_test:score"
    assert str(tmp_path) not in sys.path
    for bad in ("mine_for_a_test", "mine_for_a_test:other", "no_such_module_here:score"):
        with pytest.raises(ConfigError):
            CallableScorer.named(bad, direction="spoof")


def test_missing_files_are_found_before_anything_is_scored(tmp_path):
    calls = []
    rows = Manifest([Row("none.wav", "spoof")], root=tmp_path, where="m.csv")
    with pytest.raises(ManifestError, match="1 of 1 files are missing"):
        score_manifest(CallableScorer(calls.append, direction="spoof"), rows)
    assert calls == []


SIZE = """
import os, sys
with open(sys.argv[1]) as f, open(sys.argv[2], "w") as out:
    for line in f:
        path = line.rstrip("\\n")
        {line}
"""


def command(tmp_path, line):
    script = tmp_path / "score it.py"
    script.write_text(SIZE.replace("{line}", line))
    return f"'{sys.executable}' '{script}' {{list}} {{out}}"


def test_command(manifest, tmp_path):
    text = command(tmp_path, 'out.write(f"{path}\\t{os.path.getsize(path)}\\n")')
    scored = score_manifest(CommandScorer(text, direction="spoof", name="mine"), manifest)
    assert scored.scores.scores.tolist() == [1, 2, 3, 4, 5]
    assert scored.scores.name == "mine"


def test_command_may_say_that_a_file_has_no_score(manifest, tmp_path):
    text = command(tmp_path, 'out.write(path + ("\\tnan\\n" if path.endswith("d.wav") else "\\t1\\n"))')
    found = score_manifest(CommandScorer(text, direction="spoof"), manifest).scores
    assert dict(found.missing) == {"id2": "the command gave no score"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pass", r"5 of 5 files have no line in the output and 0 lines name other files"),
        ('out.write(f"{path}x\\t1\\n")', r"5 of 5 files have no line in the output and 5 lines name other files"),
        ('out.write(f"{path} 1\\n")', r"output line 1: no tab"),
        ('out.write(f"{path}\\tone\\n")', r"output line 1: the score is 'one'"),
        ('out.write(f"{path}\\t1\\n{path}\\t1\\n")', r"output line 2: .* occurs twice"),
        ('sys.exit("cannot load the model")', r"ended with code 1.*cannot load the model"),
        ("os.path.exists(sys.argv[2]) and os.remove(sys.argv[2])", r"wrote no \{out\} file"),
    ],
)
def test_commands_that_misbehave(manifest, tmp_path, line, message):
    scorer = CommandScorer(command(tmp_path, line), direction="spoof")
    with pytest.raises(ManifestError) as error:
        score_manifest(scorer, manifest)
    assert re.search(message, str(error.value))


def test_commands_that_cannot_be_run(manifest, tmp_path):
    for bad in ("score.py {list}", "score.py {out}", "score.py 'open {list} {out}"):
        with pytest.raises(ConfigError):
            CommandScorer(bad, direction="spoof")
    with pytest.raises(ConfigError, match="no such command"):
        score_manifest(CommandScorer("no-such-command-here {list} {out}", direction="spoof"), manifest)
    slow = CommandScorer(command(tmp_path, "import time; time.sleep(30)"), direction="spoof", timeout=0.5)
    with pytest.raises(ManifestError, match="not done after"):
        score_manifest(slow, manifest)


class Service(http.server.BaseHTTPRequestHandler):
    """Answers with the size of the file, or as its name asks."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mark = self.headers["Content-Type"].partition("boundary=")[2].encode()
        head, _, rest = body.partition(b"\r\n\r\n")
        assert head.startswith(b"--" + mark)
        assert b'name="file"' in head
        content = rest.removesuffix(b"\r\n--" + mark + b"--\r\n")
        status, answer = 200, json.dumps({"results": [{"score": len(content)}]})
        if b"d.wav" in head:
            status, answer = 415, "not audio"
        if self.path == "/broken":
            status, answer = 503, "no model"
        if self.path == "/text":
            answer = "hello"
        self.send_response(302 if self.path == "/away" else status)
        if self.path == "/away":
            self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_service(manifest, service):
    scorer = UrlScorer(f"{service}/scan", field="/results/0/score", direction="spoof", jobs=3)
    found = score_manifest(scorer, manifest).scores
    assert dict(zip(found.ids, found.scores.tolist(), strict=True)) == {"id0": 1, "id1": 2, "id3": 4, "id4": 5}
    assert dict(found.missing) == {"id2": "HTTP 415: not audio"}


def test_services_that_misbehave(manifest, service):
    for path, message in (("broken", "HTTP 503.*no model"), ("text", "not JSON"), ("away", "HTTP 302")):
        with pytest.raises(ManifestError) as error:
            score_manifest(UrlScorer(f"{service}/{path}", direction="spoof"), manifest)
        assert re.search(message, str(error.value)), path
    with pytest.raises(ManifestError, match="none of the 5 files"):
        score_manifest(UrlScorer(f"{service}/scan", field="/other", direction="spoof"), manifest)
    with pytest.raises(ManifestError, match="no answer"):
        score_manifest(UrlScorer("http://127.0.0.1:9/", direction="spoof", timeout=2), manifest)
    for bad in ("file:///etc/passwd", "ftp://x/", "localhost:80", "http://"):
        with pytest.raises(ConfigError):
            UrlScorer(bad, direction="spoof")
    with pytest.raises(ConfigError, match="pointer"):
        UrlScorer("http://x/", field="llr", direction="spoof")


def test_json_pointers():
    answer = {"": 1, "a": {"b/c": [5, {"m~n": 6}]}, "t": True}
    assert at_pointer(answer, "") is answer
    assert at_pointer(answer, "/") == 1
    assert at_pointer(answer, "/a/b~1c/0") == 5
    assert at_pointer(answer, "/a/b~1c/1/m~0n") == 6
    for nothing in ("/x", "/a/b~1c/7", "/a/b~1c/-1", "/a/b~1c/x", "/t/x"):
        assert at_pointer(answer, nothing) is None


def test_a_file_name_cannot_break_the_form(tmp_path):
    file = tmp_path / 'a"\n.wav'
    file.write_bytes(b"data")
    body, kind = multipart(file)
    assert b'filename="a__.wav"' in body
    assert kind.removeprefix("multipart/form-data; boundary=").encode() in body
