"""The backend of a cluster: Ray Data with a pool of actors, on a Ray of its own or a running one.

What travels is small: names go out, rows come back, and each actor reads its recordings where they lie (a store, or a
disk that every node has). So the object store never holds sound. An actor has a process of
:mod:`earwitness.batch.local` inside: a decoder that crashes costs a row and not an actor, and an actor or a node that
dies is replaced by Ray, which gives what it was at to another.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from earwitness.batch.items import Item, Job, Keys, digest
from earwitness.batch.local import Pool, cores
from earwitness.batch.rows import Row
from earwitness.batch.shards import members
from earwitness.batch.todo import Todo, is_in
from earwitness.errors import ConfigError, EarwitnessError, MissingExtraError

WAVE = 200_000
"""Names that are handed to Ray at once."""
WAVE_BYTES = 64 << 20
"""Bytes of contents among them, for sources that only this process can read."""
MOST_AT_ONCE = 64
"""Names in one task: what has to be heard again when an actor dies."""
_PROFILE = "profile.json"
_PLACE = 32


def rows(items: Todo, job: Job, crew: Any) -> Iterator[Row]:
    """One row an item, in the order in which they are done.

    Parameters
    ----------
    items:
        What is to do; shards are read by the actors.
    job:
        How to hear them. The detector's files travel with the actors.
    crew:
        A :class:`~earwitness.batch.run.Crew`.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    ConfigError
        If the cluster cannot be reached.
    """
    ray = _ray()
    ours = _connect(ray, crew)
    try:
        actors = _Actors(ray, job, crew, items)
        if items.shards is not None:
            tasks = [{"task": json.dumps({"shard": s, "number": n}), "data": b""} for n, s in enumerate(items.shards)]
            yield from actors.run(tasks, at_once=1)
            return
        while wave := _wave(items):
            at_once = max(1, min(MOST_AT_ONCE, len(wave) // (20 * actors.expected)))
            yield from actors.run(wave, at_once=at_once)
    finally:
        if ours:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("--backend ray needs Ray", hint="pip install 'earwitness[batch,ray]'") from None
    return ray


def _connect(ray: Any, crew: Any) -> bool:
    """Connect unless that was done before; whether it was done here."""
    if ray.is_initialized():
        return False
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if crew.ray_address:
        settings["address"] = crew.ray_address
    else:
        settings |= {"num_cpus": crew.jobs or cores(), "include_dashboard": False}
        if crew.object_store:
            settings["object_store_memory"] = crew.object_store
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = crew.ray_address or "this machine"
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(f"no Ray at {where}: {words}", hint="ray start --head, or check --ray-address") from None
    return True


def _wave(items: Iterator[Item]) -> list[dict[str, Any]]:
    """The next names, no more than fit in memory with ease."""
    wave: list[dict[str, Any]] = []
    size = 0
    for item in items:
        facts = {name: getattr(item, name) for name in ("id", "path", "label", "spooled", "error")}
        wave.append({"task": json.dumps(facts), "data": item.data or b""})
        size += len(item.data or b"")
        if len(wave) >= WAVE or size >= WAVE_BYTES:
            break
    return wave


class _Actors:
    """A pool of actors over one cluster, and how much it may hold."""

    def __init__(self, ray: Any, job: Job, crew: Any, items: Todo) -> None:
        self._ray, self._crew, self._items = ray, crew, items
        cpus = ray.cluster_resources().get("CPU", 1.0)
        gpus = ray.cluster_resources().get("GPU", 0.0)
        if crew.gpus > 0 and gpus <= 0:
            raise ConfigError("the cluster has no GPU", hint="leave --gpus out, or give it a node with one")
        self.expected = max(1, crew.jobs or int(gpus / crew.gpus if crew.gpus else cpus))
        self._made_of = (job, packed(job), items.done if items.shards is not None else None)

    def run(self, tasks: list[dict[str, Any]], *, at_once: int) -> Iterator[Row]:
        """Rows of all tasks; ``at_once`` of them make one task of Ray."""
        data, crew = self._ray.data, self._crew
        made = data.from_items(tasks, override_num_blocks=math.ceil(len(tasks) / at_once))
        context = made.context
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        if crew.object_store:
            limits = data.ExecutionResources(object_store_memory=float(crew.object_store))
            context.execution_options.resource_limits = limits
        # with a fixed number all are there at once; else Ray adds actors while there is work and room for them
        size = {"size": self.expected} if crew.jobs or not crew.ray_address else {"min_size": 1, "max_size": None}
        heard = made.map_batches(
            Actor,
            batch_size=None,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(**size, max_tasks_in_flight_per_actor=2),
            fn_constructor_args=self._made_of,
            num_cpus=1,
            num_gpus=crew.gpus or None,
        )
        try:
            for part in heard.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from self._taken(part)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, EarwitnessError):
                raise cause from None
            words = str(cause or error).strip().splitlines()[-1]
            raise EarwitnessError(f"Ray gave up: {words}", hint="what was done is kept", code="ray") from error

    def _taken(self, part: Any) -> Iterator[Row]:
        for place, text in zip(part["place"].to_pylist(), part["row"].to_pylist(), strict=True):
            found = json.loads(text)
            if self._items.shards is not None:
                self._items.note(found["key"], place)
                found = found["row"]
            if found is not None:
                yield found


class Actor:
    """What runs in each process of the cluster; made and called by Ray Data.

    Parameters
    ----------
    job:
        How to hear.
    files:
        The detector's files, where it is not the one that ships; see :func:`packed`.
    done:
        Sorted digests of what is done, for shards; None else.
    """

    def __init__(self, job: Job, files: Mapping[str, bytes], done: Keys | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="earwitness-")
        self._done = done
        self._pool = Pool(unpacked(job, files, Path(self._folder.name)), 1)

    def __call__(self, batch: Any) -> Iterator[dict[str, Any]]:
        """Rows as ``{"place": [n], "row": [JSON]}``, each as soon as it is there."""
        for task, data in zip(batch["task"].to_pylist(), batch["data"].to_pylist(), strict=True):
            facts = json.loads(task)
            if "shard" in facts:
                yield from self._shard(facts["shard"], facts["number"])
                continue
            for row in self._pool.run(iter([Item(**{**facts, "data": data or None})])):
                yield _line(0, json.dumps(row))

    def close(self) -> None:
        """End its process and take its files away; Ray ends the actor's own process, and with it both."""
        self._pool.close()
        self._folder.cleanup()

    def _shard(self, shard: str, number: int) -> Iterator[dict[str, Any]]:
        places: dict[str, int] = {}
        passed: list[tuple[int, int]] = []

        def fresh() -> Iterator[Item]:
            for inside, item in enumerate(members(shard)):
                place = (number << _PLACE) + inside
                if self._done is not None and is_in(self._done, digest(item.id)):
                    passed.append((place, digest(item.id)))
                    continue
                places[item.id] = place
                yield item

        for row in self._pool.run(fresh()):
            yield _line(places.pop(row["id"], number << _PLACE), json.dumps({"key": digest(row["id"]), "row": row}))
        for place, key in passed:
            yield _line(place, json.dumps({"key": key, "row": None}))


def _line(place: int, text: str) -> dict[str, Any]:
    return {"place": [place], "row": [text]}


def packed(job: Job) -> dict[str, bytes]:
    """The files of a detector that does not ship with the package, and the profile, to be written on other machines."""
    from earwitness.detector_folder import INFO, read_detector

    files: dict[str, bytes] = {}
    if job.detector is not None:
        folder = Path(job.detector)
        names = [INFO, *read_detector(folder).data["files"]]
        files |= {name: (folder / name).read_bytes() for name in names}
    if job.profile is not None:
        files[_PROFILE] = Path(job.profile).read_bytes()
    return files


def unpacked(job: Job, files: Mapping[str, bytes], folder: Path) -> Job:
    """The same job with what :func:`packed` took along, written into ``folder``."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    detector = str(folder) if job.detector is not None else None
    profile = str(folder / _PROFILE) if job.profile is not None else None
    return replace(job, detector=detector, profile=profile)
