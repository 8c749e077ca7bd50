"""Figures of the service for Prometheus; every app has a registry of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earwitness.serve.pool import Outcome, Pool
    from earwitness.serve.scans import Scans

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MEMORY = tuple(float(2**k << 20) for k in range(6, 13))


class Metrics:
    """The figures; :meth:`text` writes them out."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Histogram(
            "earwitness_request_seconds",
            "Requests by how long they took.",
            ("method", "route", "status"),
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.scans = Counter(
            "earwitness_scans_total", "Scans by how they ended.", ("state", "code"), registry=self.registry
        )
        self.cpu = Counter(
            "earwitness_worker_cpu_seconds_total", "Processor time of decoding and scoring.", registry=self.registry
        )
        self.audio = Counter("earwitness_audio_seconds_total", "Seconds of audio heard.", registry=self.registry)
        self.memory = Histogram(
            "earwitness_worker_memory_bytes",
            "Most memory that a scan took.",
            buckets=_MEMORY,
            registry=self.registry,
        )
        self.workers = Gauge("earwitness_workers", "Workers that are alive.", registry=self.registry)
        self.replaced = Gauge("earwitness_workers_replaced", "Workers that had to be replaced.", registry=self.registry)
        self.waiting = Gauge("earwitness_scans_waiting", "Scans in the queue.", registry=self.registry)
        self.admitted = Gauge(
            "earwitness_scans_admitted", "Uploads and scans that take a place.", registry=self.registry
        )
        self.streams = Gauge("earwitness_streams", "Live streams that are open.", registry=self.registry)
        #: seconds of processor time of the last scans, a running mean
        self.pace = 0.1

    def ended(self, outcome: Outcome, state: str, seconds: float) -> None:
        """Count a scan that has come to its end."""
        self.scans.labels(state, (outcome.error or {}).get("code", "")).inc()
        self.cpu.inc(outcome.cpu)
        self.audio.inc(seconds)
        if outcome.rss:
            self.memory.observe(outcome.rss)
        self.pace += 0.1 * (outcome.cpu - self.pace)

    def text(self, pool: Pool, scans: Scans) -> tuple[bytes, str]:
        """All figures as Prometheus reads them, and their content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        self.workers.set(pool.alive)
        self.replaced.set(pool.replaced)
        self.waiting.set(pool.waiting)
        self.admitted.set(scans.admitted)
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
