"""Fixtures that every test may ask for. What a machine does not have is skipped, with the reason."""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("EARWITNESS_CACHE", ROOT / ".cache"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the working corpus and the published reference figures, beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "corpus" / "manifest.csv").is_file():
        pytest.skip("the working corpus is not beside the checkout (../shared)")
    return folder


@pytest.fixture(scope="session")
def corpus_root(shared: Path) -> Path:
    """The unpacked working corpus: a manifest row's ``path`` is relative to it.

    ``EARWITNESS_CORPUS`` names a folder where it is unpacked already; otherwise the shards are unpacked into the
    cache, once.
    """
    given = os.environ.get("EARWITNESS_CORPUS")
    if given:
        if not Path(given, "dev").is_dir():
            pytest.fail(f"EARWITNESS_CORPUS={given}: no folder 'dev' in it")
        return Path(given)
    target = CACHE / "corpus"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for shard in sorted((shared / "corpus").glob("*.tar")):
            done = target / f".{shard.stem}.{shard.stat().st_size}"
            if not done.exists():
                with tarfile.open(shard) as tar:
                    tar.extractall(target, filter="data")
                done.touch()
    return target


@pytest.fixture(scope="session")
def human_clip() -> Path:
    """A person reading one sentence (CMU ARCTIC, 4.0 s, 16 kHz wav), fetched once from the package index."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import human_clip as source
    finally:
        sys.path.pop(0)
    try:
        return source.human_clip(CACHE)
    except source.Unreachable as why:
        pytest.skip(f"the human recording is not reachable: {why}")


@pytest.fixture(scope="session")
def spoof_clip() -> Path:
    """A synthetic voice that ships with the project (espeak-ng, flac)."""
    return ROOT / "examples" / "clips" / "espeak.flac"


@pytest.fixture(scope="session")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small real detector, made without PyTorch (see ``tiny_detector.py``)."""
    from tiny_detector import write_tiny

    return write_tiny(tmp_path_factory.mktemp("detector") / "tiny")
