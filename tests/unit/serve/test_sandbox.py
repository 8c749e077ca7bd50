"""What a process can still do once it is shut in: read what it was granted, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness.serve import sandbox

_PROGRAM = """
import json, os, signal, socket, sys
from earwitness.serve import sandbox

granted, secret, folder, port = sys.argv[1:5]
held = open(secret)
outside = os.getppid()
assert sandbox.shut([granted], sandbox.libraries())
done = {}

def attempt(name, action):
    try:
        action()
        done[name] = "done"
    except OSError as error:
        done[name] = type(error).__name__

attempt("read what is granted", lambda: open(granted).read())
attempt("read what was open", held.read)
attempt("import", lambda: __import__("zipapp"))
attempt("read a secret", lambda: open(secret))
attempt("list a folder", lambda: os.listdir(folder))
attempt("read a password file", lambda: open("/etc/passwd"))
attempt("read memory", lambda: open(f"/proc/{outside}/mem", "rb"))
attempt("write what is granted", lambda: open(granted, "a"))
attempt("make a file", lambda: open(folder + "/new", "w"))
attempt("delete", lambda: os.unlink(secret))
attempt("rename", lambda: os.rename(secret, folder + "/other"))
attempt("empty", lambda: os.truncate(granted, 0))
attempt("execute", lambda: os.execv("/bin/true", ["true"]))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), 5))
attempt("signal", lambda: os.kill(outside, 0))
print(json.dumps(done))
"""
_MAY = {"read what is granted", "read what was open", "import"}
#: by the version of Landlock that brought it
_SINCE = {"empty": 3, "connect": 4, "signal": 6}


@pytest.mark.skipif(not sandbox.version(), reason="this system has no Landlock")
def test_shut_in(tmp_path: Path) -> None:
    import socket

    (tmp_path / "granted").write_text("a recording")
    (tmp_path / "secret").write_text("a key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [tmp_path / "granted", tmp_path / "secret", tmp_path, server.getsockname()[1]]
        command = [sys.executable, "-P", "-c", _PROGRAM, *map(str, words)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)
    expected = {
        name: "done" if name in _MAY or _SINCE.get(name, 1) > sandbox.version() else "PermissionError" for name in done
    }
    assert done == expected
    assert len(done) == 15
    assert sorted(p.name for p in tmp_path.iterdir()) == ["granted", "secret"]


def test_the_working_folder_is_not_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are made in the working folder unless told otherwise."""
    monkeypatch.syspath_prepend(tmp_path)
    assert str(tmp_path) not in sandbox.libraries()
    assert "/" not in sandbox.libraries()


def test_without_landlock_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "version", lambda: 0)
    assert not sandbox.shut([], [])
    (tmp_path / "still").write_text("writable")
