"""What an app holds: settings, detectors, keys, records, workers, scans."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.detector_profile import read_profile, with_profile
from earwitness.errors import ConfigError, EarwitnessError
from earwitness.serve.access import Access, read_keys
from earwitness.serve.metrics import Metrics
from earwitness.serve.pool import Pool
from earwitness.serve.probe import Probe
from earwitness.serve.scans import Scans
from earwitness.serve.settings import Settings

if TYPE_CHECKING:
    from earwitness.detector import Detector
    from earwitness.serve.records import RecordStore
    from earwitness.serve.records.signing import SigningKey

#: seconds between two looks for what has to go
_SWEEP = 3600.0


def open_records(settings: Settings) -> RecordStore:
    """The records of a service, with its retention and its key."""
    from earwitness.serve.records import RecordStore

    days = settings.retention_days or None
    return RecordStore.open(settings.records, keep_days=days, signing_key=settings.signing_key)


def _signing_key(path: Path | None) -> SigningKey | None:
    if path is None:
        return None
    from earwitness.serve.records.signing import SigningKey

    return SigningKey.read(path)


class State:
    """Everything that routes need, at ``app.state.earwitness``.

    Attributes
    ----------
    settings, access, metrics, scans, records, pool, probe:
        See the modules of these names.
    detector, detectors:
        The detector, in this process, for streams and facts; and by profile, None being the one without.
    folder:
        Private folder for uploads, there from :meth:`open` to :meth:`close`.
    """

    def __init__(self, settings: Settings, detector: Detector, records: RecordStore | None = None) -> None:
        self.settings, self.detector = settings, detector
        self.log = logging.getLogger("earwitness.serve")
        profiles = {read_profile(path).name: path.resolve() for path in settings.profiles}
        if len(profiles) < len(settings.profiles):
            raise ConfigError("two profiles have the same name", hint="make one again with another name")
        self.detectors: dict[str | None, Detector] = {None: detector}
        self.detectors |= {name: with_profile(detector, path) for name, path in profiles.items()}
        self._profiles = {name: str(path) for name, path in profiles.items()}
        self.access = Access(read_keys(settings.keys_file, os.environ), settings.rate_per_minute)
        if settings.is_public and not self.access.has_keys:
            raise ConfigError(
                f"{settings.host} can be reached by others, and there are no API keys",
                hint="make one with: earwitness keys api NAME --out FILE, and give --keys FILE; or listen on 127.0.0.1",
            )
        self.metrics = Metrics()
        self.scans = Scans(self)
        self._given = records
        self._signing = _signing_key(settings.signing_key)
        self.records: RecordStore
        self.probe: Probe
        self.pool: Pool
        self.folder: Path
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the records and start the workers."""
        settings = self.settings
        if settings.keep_audio is not None:
            settings.keep_audio.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.records = await asyncio.to_thread(open_records, settings) if self._given is None else self._given
        self.probe = Probe(self.records)
        self.folder = Path(tempfile.mkdtemp(prefix="earwitness-", dir=settings.spool))
        self.pool = Pool(settings, str(self.detector.folder.resolve()), self._profiles, self.folder)
        try:
            await self.pool.open()
        except BaseException:
            await self._leave()
            raise
        self._keeper = asyncio.create_task(self._keep_house())

    async def close(self) -> None:
        """Finish what is running, as long as the settings grant, and end the workers."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self.scans.close(self.settings.grace_seconds)
        await self.pool.close()
        await self.probe.close()
        if self._signing is not None:
            try:
                await asyncio.to_thread(self.records.sign)
            except EarwitnessError as error:
                self.log.error("the last record could not be signed: %s", error)
        await self._leave()

    async def _leave(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._given is None:
            await asyncio.to_thread(self.records.close)

    def sign(self, verdict: Mapping[str, Any]) -> dict[str, Any]:
        """The verdict as it is given out: signed, where there is a key."""
        if self._signing is None:
            return dict(verdict)
        from earwitness.serve.records.signing import sign_verdict

        return sign_verdict(verdict, self._signing)

    def kept(self, id: str) -> Path | None:
        """Where the recording of a scan was kept; None if it was not."""
        if self.settings.keep_audio is None:
            return None
        path = self.settings.keep_audio / id
        return path if path.is_file() else None

    async def _keep_house(self) -> None:
        """Hour by hour: records whose time is over, and kept recordings whose record is gone."""
        while True:
            try:
                await asyncio.to_thread(self.records.expire)
                await asyncio.to_thread(self._forget)
            except (EarwitnessError, OSError) as error:
                self.log.error("old records could not be looked through: %s", error)
            await asyncio.sleep(_SWEEP)

    def _forget(self) -> None:
        if self.settings.keep_audio is not None:
            for path in list(self.settings.keep_audio.iterdir()):
                if self.records.tombstone(path.name) is not None:
                    path.unlink(missing_ok=True)
