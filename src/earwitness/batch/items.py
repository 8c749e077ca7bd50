"""What a batch consists of: items to be heard, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from earwitness.detector import Detector

#: digests of ids
Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of a batch.

    Attributes
    ----------
    id:
        Its name in the output: the manifest's id, else ``path``. A batch has one row for each id.
    path:
        A file, a URL, or ``shard.tar::member``.
    label:
        What the manifest says, or nothing.
    data:
        The contents, where only the source can read them.
    spooled:
        A temporary file that holds the contents, where they are too long to be held; whoever hears it removes it.
    error:
        ``code``, ``message`` and ``hint``, where the source could not even hand it out.
    """

    id: str
    path: str
    label: str = ""
    data: bytes | None = field(default=None, repr=False)
    spooled: str = ""
    error: Mapping[str, str] | None = None


def digest(name: str) -> int:
    """64 bits that stand for an id; among ten million the chance that any two are alike is 3 in a million.

    Examples
    --------
    >>> digest("a.wav") == digest("a.wav"), digest("a.wav") == digest("b.wav")
    (True, False)
    """
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Job:
    """How every recording of a batch is heard: which detector, and the settings of its scan.

    Parameters
    ----------
    detector, profile:
        A detector folder (None = the one that ships) and a profile of ``earwitness calibrate``.
    prior, cost_miss, cost_false_alarm, threshold, window:
        As for a scan.
    timeout:
        Seconds of wall clock after which a recording is given up; None = never.
    device:
        ``cpu`` or ``cuda``: where the network runs.
    """

    detector: str | None = None
    profile: str | None = None
    prior: float = 0.5
    cost_miss: float = 1.0
    cost_false_alarm: float = 1.0
    threshold: float | None = None
    window: float | None = None
    timeout: float | None = None
    device: str = "cpu"

    @property
    def scan(self) -> dict[str, Any]:
        """The settings of a scan."""
        names = ("prior", "cost_miss", "cost_false_alarm", "threshold", "window")
        return {name: getattr(self, name) for name in names}

    def load(self) -> Detector:
        """The detector with its profile, on one thread; the settings are checked.

        Raises
        ------
        DetectorError
            If there is none, or it is not sound, or its device is not there.
        ConfigError
            For a setting out of range.
        """
        from earwitness.detector import load_detector

        found = load_detector(self.detector, threads=1, device=self.device)
        if self.profile is not None:
            from earwitness.detector_profile import with_profile

            found = with_profile(found, Path(self.profile))
        found.thresholds(self.prior, self.cost_miss, self.cost_false_alarm, self.threshold)
        if self.window is not None:
            found.info.window.resized(self.window)
        return found

    def facts(self, detector: Detector) -> dict[str, Any]:
        """What must be equal for two runs to be one batch: all that the detector decides by, and the settings."""
        return {"detector": detector.info.name, "settings": self.scan}
