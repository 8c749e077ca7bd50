"""The settings of the service: where it listens, what it scans with, and every limit that it holds callers to."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import ConfigError

MIB = 1 << 20
#: names under which a browser reaches a service on its own machine
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
#: least memory in which a worker can load a detector and decode
LEAST_MEMORY = 600 * MIB


@dataclass(frozen=True)
class Settings:
    """What ``earwitness serve`` can be told. Sizes in bytes, times in seconds.

    Attributes
    ----------
    host, port:
        Where to listen. An address that others can reach needs API keys.
    detector, profiles:
        Detector folder in place of the one that ships, and profiles of it, which requests choose by name.
    records:
        URL of the database, as SQLAlchemy writes it.
    retention_days:
        Records older than this are deleted; 0 keeps them.
    signing_key:
        Ed25519 key with which verdicts and the head of the records are signed.
    keys_file:
        File with the API keys; see :mod:`earwitness.serve.access`.
    keep_audio:
        Folder in which recordings are kept; None deletes each as soon as a worker has opened it.
    spool:
        Folder in which the private folder for uploads is made; None = the system's.
    hosts:
        Names under which the service is called (the ``Host`` header); empty = any with keys, loopback names without.
    origins:
        Other origins whose pages may call it (CORS); none unless given.
    workers, queue:
        Recordings scanned at once (0 = one per core) and admitted beyond them; more get 503.
    connections:
        Open connections; more are closed at once.
    streams:
        Live streams at the same time; more get 503.
    upload_bytes, upload_seconds, idle_seconds:
        Largest request body, longest time for all of it, and for its next piece.
    memory_bytes, cpu_seconds, wall_seconds, audio_seconds:
        What one recording may cost a worker, and how long it may play.
    async_seconds, patience_seconds:
        A recording longer than the first, or an answer later than the second, turns into 202.
    rate_per_minute:
        Requests per caller and minute; 0 = no limit. A key may have its own.
    grace_seconds:
        How long a shutdown waits for what is running.

    Examples
    --------
    >>> Settings(host="192.0.2.1").is_public, Settings().is_public
    (True, False)
    """

    host: str = "127.0.0.1"
    port: int = 8000
    detector: Path | None = None
    profiles: tuple[Path, ...] = ()
    records: str = "sqlite:///earwitness-records.sqlite"
    retention_days: int = 0
    signing_key: Path | None = None
    keys_file: Path | None = None
    keep_audio: Path | None = None
    spool: Path | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    workers: int = 0
    queue: int = 64
    connections: int = 1000
    streams: int = 16
    upload_bytes: int = 200 * MIB
    upload_seconds: float = 120.0
    idle_seconds: float = 15.0
    memory_bytes: int = 1536 * MIB
    cpu_seconds: int = 300
    wall_seconds: float = 300.0
    audio_seconds: float = 4 * 3600.0
    async_seconds: float = 60.0
    patience_seconds: float = 60.0
    rate_per_minute: int = 600
    grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("workers", "queue", "streams", "rate_per_minute", "retention_days", "grace_seconds"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must not be negative")
        limits = ("upload_bytes", "upload_seconds", "idle_seconds", "cpu_seconds", "wall_seconds", "audio_seconds")
        for name in (*limits, "async_seconds", "patience_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.memory_bytes < LEAST_MEMORY:
            raise ConfigError(f"memory_bytes is {self.memory_bytes}; a worker needs {LEAST_MEMORY} at least")

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach the address."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return True

    @property
    def worker_count(self) -> int:
        """Recordings that are scanned at once."""
        if self.workers:
            return self.workers
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return cores or 1

    @property
    def capacity(self) -> int:
        """Recordings that are admitted at once: being received, waiting and being scanned."""
        return self.worker_count + self.queue
