"""``earwitness records``, ``keys`` and ``verify``, run as a user runs them."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra [serve] is not installed")

from earwitness.cli import main
from earwitness.serve.records import RecordStore, ScanRecord
from earwitness.serve.records.signing import SigningKey, sign_verdict

DETECTOR = {"id": "default", "version": "1", "sha256": "0" * 64, "settings": "1" * 64}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command line: exit code, output, errors."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out, out.err

    return call


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A file with three records, one deleted, none signed."""
    path = tmp_path / "records.sqlite"
    with RecordStore.open(str(path)) as store:
        made = [
            store.add(
                ScanRecord(
                    caller="desk",
                    filename=name,
                    sha256=f"{i:064x}",
                    detector=DETECTOR,
                    verdict={"label": "likely human", "llr": -1.5, "source": {"codec": "flac", "duration": 4.0}},
                )
            )
            for i, name in enumerate(["a.wav", "=cmd()|'!A1.wav", "c.wav"])
        ]
        store.delete(made[0].id, "admin")
    return path


def test_keys(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("keys", "create", "--signing", tmp_path / "k.pem")
    assert code == 0
    id = out.split()[2]
    for name in ("k.pem", "k.pem.pub"):
        code, out, _ = run("keys", "show", tmp_path / name, "--json")
        shown = json.loads(out)
        assert (code, shown["key_id"], "PRIVATE" in out) == (0, id, False)
        assert shown["public_key"] == (tmp_path / "k.pem.pub").read_text()
    code, _, err = run("keys", "create", "--signing", tmp_path / "k.pem")
    assert (code, "already" in err) == (1, True)
    code, _, err = run("keys", "show", tmp_path / "none")
    assert (code, "none" in err) == (1, True)


def test_anchor_and_verify(run: Any, tmp_path: Path, records: Path) -> None:
    code, out, _ = run("records", "verify", "--records", records)
    assert (code, "4 entries, 2 records, 1 tombstones" in out) == (0, True)
    assert "Without a key or an anchor" in out
    code, _, err = run("records", "anchor", "--records", records)
    assert (code, "no head" in err) == (1, True)
    run("keys", "create", "--signing", tmp_path / "k.pem")
    anchor = tmp_path / "anchor.json"
    code, _, _ = run("records", "anchor", "--records", records, "--out", anchor, "--signing-key", tmp_path / "k.pem")
    assert code == 0
    code, again, _ = run("records", "anchor", "--records", records)
    assert (code, again) == (0, anchor.read_text())
    trusted = ("--anchor", anchor, "--key", tmp_path / "k.pem.pub")
    code, out, _ = run("records", "verify", "--records", records, *trusted)
    assert (code, "vouches for it up to entry 4 of 4" in out) == (0, True)

    with RecordStore.open(str(records)) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM records WHERE seq = 3")
    code, out, err = run("records", "verify", "--records", records, *trusted)
    assert (code, "entry 3" in err, "(removed)" in err, "were changed" in out) == (1, True, True, True)
    code, out, _ = run("records", "verify", "--records", records, "--json")
    outcome = json.loads(out)
    assert (code, outcome["holds"], [f["code"] for f in outcome["faults"]]) == (1, False, ["removed"])


def test_verify_makes_no_database(run: Any, tmp_path: Path) -> None:
    code, _, err = run("records", "verify", "--records", tmp_path / "none.sqlite")
    assert (code, "none.sqlite" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []
    code, _, err = run("records", "verify", "--records", "mysql://u:secret@h/d")
    assert (code, "secret" in err) == (2, False)


def test_export(run: Any, tmp_path: Path, records: Path) -> None:
    code, _, err = run("records", "export", "--records", records, "--format", "csv", "-o", tmp_path / "out.csv")
    assert (code, "2 lines" in err) == (0, True)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # a spreadsheet must not run what a stranger called his file
    assert [r["filename"] for r in rows] == ["'=cmd()|'!A1.wav", "c.wav"]
    assert (rows[0]["label"], rows[0]["llr"], rows[0]["codec"], rows[0]["detector"]) == (
        "likely human",
        "-1.5",
        "flac",
        "default",
    )
    code, _, _ = run("records", "export", "--records", records, "-o", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(r["seq"], r["kind"], r["record"] is not None) for r in lines] == [
        (1, "scan", False),
        (2, "scan", True),
        (3, "scan", True),
        (4, "deleted", False),
    ]
    assert [r["previous"] for r in lines[1:]] == [r["hash"] for r in lines[:-1]]
    assert lines[2]["record"]["filename"] == "c.wav"
    code, _, err = run("records", "export", "--records", records, "-o", tmp_path / "none" / "out.csv")
    assert (code, "cannot be written" in err) == (1, True)


def test_expire(run: Any, records: Path) -> None:
    assert run("records", "expire", "--records", records, "--keep-days", 1)[:2] == (0, "0 records deleted\n")
    assert run("records", "expire", "--records", records, "--keep-days", 1e-9)[:2] == (0, "2 records deleted\n")
    code, out, _ = run("records", "verify", "--records", records)
    assert (code, "6 entries, 0 records, 3 tombstones" in out) == (0, True)
    assert run("records", "expire", "--records", records, "--keep-days", 0)[0] == 2


def test_a_scan_is_signed_and_verified(run: Any, tmp_path: Path, spoof_clip: Path, tiny_detector: Path) -> None:
    SigningKey.create(tmp_path / "k.pem")
    scan = ("scan", spoof_clip, "--detector", tiny_detector, "--sign", tmp_path / "k.pem")
    code, out, _ = run(*scan, "--json")
    assert code == 0
    report, key = tmp_path / "report.json", ("--key", tmp_path / "k.pem.pub")
    report.write_text(out)
    code, said, _ = run("verify", report, *key, "--recording", spoof_clip)
    assert (code, "unchanged" in said) == (0, True)
    _check_schema(json.loads(out))

    other = tmp_path / "other.wav"
    other.write_bytes(b"another recording")
    code, _, err = run("verify", report, *key, "--recording", other)
    assert (code, "not about" in err) == (1, True)

    report.write_text(out.replace('"prior": 0.5', '"prior": 0.4'))
    code, _, err = run("verify", report, *key)
    assert (code, "changed after it was signed" in err) == (1, True)
    # two members of one name: readers differ in which they take
    report.write_text(out.replace('"prior": 0.5', '"prior": 0.4, "prior": 0.5'))
    code, _, err = run("verify", report, *key)
    assert (code, "twice" in err) == (1, True)

    code, out, _ = run(*scan, tmp_path / "missing.wav", "--jsonl")
    assert code == 1
    report.write_text(out)
    code, said, _ = run("verify", report, *key, "--json")
    assert (code, [r["ok"] for r in json.loads(said)]) == (0, [True, True])
    for line in out.splitlines():
        _check_schema(json.loads(line))
    assert run("verify", report, *key, "--recording", spoof_clip)[0] == 2


def _check_schema(document: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from earwitness.verdict import Verdict, schema

    jsonschema.validate(document, schema())
    assert Verdict.from_dict(document).path == document["path"]


def test_verify_says_what_is_wrong(run: Any, tmp_path: Path) -> None:
    mine, other = SigningKey.create(tmp_path / "mine.pem"), SigningKey.create(tmp_path / "other.pem")
    report, key = tmp_path / "report.json", ("--key", tmp_path / "mine.pem.pub")
    good = sign_verdict({"path": "a.wav"}, mine)
    cases = {
        "not signed": {"path": "a.wav"},
        "which is not the one": sign_verdict({"path": "a.wav"}, other),
        "changed": {**good, "path": "b.wav"},
        "no verdict": [],
        "not JSON": None,
    }
    for words, document in cases.items():
        report.write_text("{" if document is None else json.dumps(document))
        code, _, err = run("verify", report, *key)
        assert (code, words in err) == (1, True), err
    # one bad one among good ones is enough
    report.write_text(json.dumps([good, {"path": "x\x1b[31m.wav"}]))
    code, out, err = run("verify", report, *key)
    assert (code, "a.wav: signed by" in out, "\x1b" in err) == (1, True, False)
    report.write_text(json.dumps([good, sign_verdict({"path": "b.wav"}, other)]))
    assert run("verify", report, *key, "--key", tmp_path / "other.pem.pub")[0] == 0


def test_wrong_usage(run: Any, tmp_path: Path, spoof_clip: Path) -> None:
    SigningKey.create(tmp_path / "k.pem")
    assert run("verify", tmp_path / "report.json")[0] == 2
    assert run("scan", spoof_clip, "--sign", tmp_path / "k.pem")[0] == 2
    code, _, err = run("scan", spoof_clip, "--json", "--sign", tmp_path / "none.pem")
    assert (code, "keys create" in err) == (1, True)


def test_openssl_agrees(tmp_path: Path) -> None:
    """The example of docs/records.md, by a program that is not ours."""
    import base64
    import shutil

    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key = SigningKey.create(tmp_path / "k.pem")
    signed = sign_verdict({"b": 1, "a": "x"}, key)
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["signature"]))
    (tmp_path / "message").write_bytes(b'earwitness verdict 1\n{"a":"x","b":1}')
    command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", "k.pem.pub", "-rawin", "-in", "message"]
    done = subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    if b"rawin" in done.stderr.lower():
        pytest.skip("this openssl cannot check Ed25519")
    assert done.returncode == 0, done.stderr
