"""What a batch finds in folders, globs, manifests, shards, and in a bucket of a local S3 server."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from batch_files import BROKEN, write_folder, write_shards

from earwitness.batch.sources import open_source
from earwitness.errors import AudioError, EarwitnessError, ManifestError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("recordings"), 6, seconds=0.5)


def names(source: Any) -> list[str]:
    return [item.path.rpartition("/")[2].rpartition("::")[2] for item in source]


EXPECTED = ["cut.flac", "empty.wav", "text.mp3", "voice-001.wav", "voice-003.wav", "voice-005.wav"]
OTHERS = ["voice-000.wav", "voice-002.wav", "voice-004.wav"]


def test_a_folder_is_walked_in_order(folder: Path) -> None:
    source = open_source(str(folder))
    assert names(source) == EXPECTED + OTHERS
    assert source.count() == 9
    assert {item.id for item in source} == {item.path for item in source}


def test_a_glob(folder: Path) -> None:
    assert names(open_source(f"{folder}/**/voice-*.wav")) == EXPECTED[3:] + OTHERS
    with pytest.raises(AudioError, match="matches no file"):
        list(open_source(f"{folder}/*.ogg"))


def test_a_name_with_brackets_is_a_file_first(tmp_path: Path) -> None:
    odd = tmp_path / "take[1].wav"
    odd.write_bytes(b"RIFF")
    assert [item.path for item in open_source(str(odd))] == [str(odd)]


def test_one_file_whatever_its_name(folder: Path) -> None:
    assert names(open_source(str(folder / "notes.txt"))) == ["notes.txt"]


def test_nothing_of_this_name() -> None:
    with pytest.raises(AudioError, match="no such file or folder"):
        open_source("/nowhere/at/all")


def test_a_manifest_keeps_ids_and_labels_and_needs_none(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("path,id,label\nx/a.wav,one,spoof\n/abs/b.wav,,\ns3://bucket/c.wav,three,bonafide\n")
    items = list(open_source(str(table)))
    assert [(i.id, i.path, i.label) for i in items] == [
        ("one", str(tmp_path / "x/a.wav"), "spoof"),
        ("/abs/b.wav", "/abs/b.wav", ""),
        ("three", "s3://bucket/c.wav", "bonafide"),
    ]
    assert next(iter(open_source(str(table), root="s3://other/place"))).path == "s3://other/place/x/a.wav"
    table.write_text("file\na.wav\n")
    with pytest.raises(ManifestError, match="no path"):
        list(open_source(str(table)))


def test_shards(tmp_path: Path, folder: Path) -> None:
    shards = write_shards(tmp_path, folder)
    source = open_source(str(tmp_path / "part-{00..01}.tar"))
    assert source.count() is None
    items = list(source)
    assert [i.id for i in items][:2] == [f"{shards[0]}::cut.flac", f"{shards[0]}::text.mp3"]
    assert len(items) == 9 == source.estimate  # type: ignore[union-attr]
    by_name = {i.path.rpartition("::")[2]: i.data for i in items}
    assert by_name["voice-003.wav"] == (folder / "a" / "voice-003.wav").read_bytes()
    assert by_name["empty.wav"] == b""
    assert sorted(names(open_source(str(tmp_path / "*.tar")))) == sorted(EXPECTED + OTHERS)


def test_a_compressed_shard_and_one_that_is_cut_off(tmp_path: Path, folder: Path) -> None:
    (plain,) = write_shards(tmp_path, folder, 1)
    packed = tmp_path / "all.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert len(list(open_source(str(packed)))) == 9
    plain.write_bytes(plain.read_bytes()[:40_000])
    items = list(open_source(str(plain)))
    assert items[-1].error is not None
    assert items[-1].id == str(plain)
    assert 0 < len(items) - 1 < 9


def test_a_long_member_goes_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("earwitness.batch.shards.SPOOL", 1000)
    (shard,) = write_shards(tmp_path, folder, 1)
    (item,) = [i for i in open_source(str(shard)) if i.path.endswith("voice-001.wav")]
    assert item.data is None
    assert Path(item.spooled).read_bytes() == (folder / "a" / "voice-001.wav").read_bytes()


def test_memory(folder: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.put(str(folder), "/batch-test", recursive=True)
    assert names(open_source("memory://batch-test")) == EXPECTED + OTHERS
    items = list(open_source("memory://batch-test/a/voice-*.wav"))
    assert items[0].data == (folder / "a" / "voice-001.wav").read_bytes()
    with pytest.raises(EarwitnessError):
        open_source("memory://not-there")
    with pytest.raises(EarwitnessError, match="no such kind of address"):
        open_source("martian://x/y")


@pytest.fixture(scope="module")
def bucket(folder: Path) -> Iterator[str]:
    """A bucket of a local S3 server with the folder in it."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        store = s3fs.S3FileSystem()
        store.mkdir("calls")
        store.put(str(folder) + "/", "calls/day", recursive=True)
        yield "s3://calls/day"
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_bucket(bucket: str, folder: Path, tmp_path: Path) -> None:
    from earwitness.batch.remote import fetched

    assert names(open_source(bucket)) == EXPECTED + OTHERS
    assert names(open_source(f"{bucket}/*/voice-00[13].wav")) == ["voice-001.wav", "voice-003.wav"]
    with fetched(f"{bucket}/a/voice-001.wav") as far:
        assert far.read() == (folder / "a" / "voice-001.wav").read_bytes()
    with pytest.raises(AudioError, match="no such file"), fetched(f"{bucket}/a/gone.wav") as far:
        far.read()
    import s3fs

    (shard,) = write_shards(tmp_path, folder, 1)
    s3fs.S3FileSystem().put(str(shard), "calls/part-00.tar")
    assert len(list(open_source("s3://calls/part-{00..00}.tar"))) == 9


def test_batch_of_a_bucket(bucket: str, tiny_detector: Path, tmp_path: Path) -> None:
    """The worker processes fetch the recordings themselves; each failed one has its row."""
    from earwitness.batch.items import Job
    from earwitness.batch.output import Jsonl
    from earwitness.batch.run import Crew, run_batch

    out = tmp_path / "s3.jsonl"
    summary = run_batch(open_source(bucket), out, job=Job(detector=str(tiny_detector)), crew=Crew(jobs=1))
    rows = list(Jsonl().read(out))
    assert [r["path"].rpartition("/")[2] for r in rows] == EXPECTED + OTHERS
    assert summary.failed == len(BROKEN) == sum(r["error_code"] is not None for r in rows)
    assert rows[0]["error"].startswith(rows[0]["path"])


def test_web_addresses(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    from earwitness.batch.remote import fetched

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/a/voice-001.wav"
            assert [i.path for i in open_source(url)] == [url]
            with fetched(url) as far:
                assert far.read() == (folder / "a" / "voice-001.wav").read_bytes()
            with pytest.raises(AudioError, match="no such file"), fetched(url + "x") as far:
                far.read()
            listed = tmp_path / "list.jsonl"
            listed.write_text(f'{{"path": "{url}"}}\n')
            assert [i.path for i in open_source(str(listed))] == [url]
        finally:
            server.shutdown()
            thread.join()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(AudioError, match="cannot be read"), fetched(f"http://127.0.0.1:{port}/a.wav") as far:
        far.read()
