"""A profile: a detector's calibration and limits for one kind of recording, made from a few clips of it.

A profile maps the detector's own log-likelihood ratio once more, ``llr' = scale × llr + offset``, and sets new limits.
It belongs to one model file, named by its sha256, and is a small JSON file::

    {"format": 1, "detector": {"id": "…", "sha256": "…"}, "name": "studio", "scale": 0.6, "offset": -1.1,
     "thresholds": {"human": -2.9, "synthetic": 2.9}, "prior": 0.5, "cost_miss": 1.0, "cost_false_alarm": 1.0,
     "measured": {"human": 25, "spoof": 25, "cllr_before": 1.2, "cllr_after": 0.4}}
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.calibrate import Affine, Calibration, Thresholds
from earwitness.detector_limits import Limits
from earwitness.errors import DetectorError
from earwitness.pooling import SpanRule

if TYPE_CHECKING:
    from earwitness.detector import Detector

FORMAT = 1
_HINT = "make it again with: earwitness calibrate"


@dataclass(frozen=True)
class Profile:
    """A second calibration for one detector; see the module.

    Parameters
    ----------
    name:
        Shown with the detector's version in every verdict; letters, digits, ``-`` and ``_``.
    detector, sha256, settings:
        Id, model file and settings of the detector that it was made for, see
        :attr:`~earwitness.detector_folder.DetectorInfo.name`.
    map:
        From the detector's llr to the profile's.
    thresholds:
        Limits of the confident verdicts in the profile's llr, for ``prior`` and the costs.
    measured:
        Counts and Cllr before and after, for people.
    """

    name: str
    detector: str
    sha256: str
    settings: str
    map: Affine
    thresholds: Thresholds
    prior: float = 0.5
    cost_miss: float = 1.0
    cost_false_alarm: float = 1.0
    measured: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "format": FORMAT,
            "name": self.name,
            "detector": {"id": self.detector, "sha256": self.sha256, "settings": self.settings},
            **asdict(self.map),
            "thresholds": asdict(self.thresholds),
            "prior": self.prior,
            "cost_miss": self.cost_miss,
            "cost_false_alarm": self.cost_false_alarm,
            "measured": dict(self.measured),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "profile") -> Profile:
        """Read back what :meth:`to_dict` wrote.

        Raises
        ------
        DetectorError
            For another format, a missing key or numbers out of range.
        """
        if data.get("format") != FORMAT:
            raise DetectorError(f"{where}: format is {data.get('format')!r}; this version reads {FORMAT}", hint=_HINT)
        try:
            limits = Thresholds(float(data["thresholds"]["human"]), float(data["thresholds"]["synthetic"]))
            found = cls(
                name=str(data["name"]),
                detector=str(data["detector"]["id"]),
                sha256=str(data["detector"]["sha256"]),
                settings=str(data["detector"]["settings"]),
                map=Affine(float(data["scale"]), float(data["offset"])),
                thresholds=limits,
                prior=float(data["prior"]),
                cost_miss=float(data["cost_miss"]),
                cost_false_alarm=float(data["cost_false_alarm"]),
                measured=dict(data.get("measured", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DetectorError(f"{where}: not as it should be: {error!r}", hint=_HINT) from None
        numbers = (found.map.scale, found.map.offset, limits.human, limits.synthetic)
        if not all(map(math.isfinite, numbers)) or found.map.scale < 0 or limits.human > limits.synthetic:
            raise DetectorError(f"{where}: scale, offset or thresholds are out of range: {numbers}", hint=_HINT)
        return found


def read_profile(path: Path | str) -> Profile:
    """The profile in a file.

    Raises
    ------
    DetectorError
        If it is missing or not a profile.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DetectorError(f"{path}: no such profile", hint=_HINT) from None
    except (OSError, ValueError) as error:
        raise DetectorError(f"{path}: cannot be read as JSON: {error}", hint=_HINT) from None
    if not isinstance(data, dict):
        raise DetectorError(f"{path}: not a profile", hint=_HINT)
    return Profile.from_dict(data, where=str(path))


def write_profile(profile: Profile, path: Path | str) -> None:
    """Write a profile."""
    text = json.dumps(profile.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def with_profile(detector: Detector, profile: Profile | Path | str) -> Detector:
    """The same detector with the calibration and the limits of a profile.

    Its measured error rates do not hold for the new limits and are left out; the profile's name stands in the version
    (``0.1.0+studio``), so that each verdict says which calibration it used.

    Raises
    ------
    DetectorError
        If the profile was made for another model file, or for other windows, calibration or limits.
    """
    found = profile if isinstance(profile, Profile) else read_profile(profile)
    info = detector.info
    other = "another model file" if found.sha256 != info.sha256 else "other settings"
    if (found.sha256, found.settings) != (info.sha256, info.settings):
        raise DetectorError(
            f"the profile {found.name!r} was made for the detector {found.detector!r} with {other}",
            hint="make a profile for this detector with: earwitness calibrate",
        )
    scale, offset = found.map.scale, found.map.offset
    maps = tuple(Affine(scale * m.scale, scale * m.offset + offset) for m in info.calibration.maps)
    calibration = Calibration(info.calibration.edges, maps, f"{info.calibration.fitted_on}; profile {found.name}")
    changed = copy.copy(detector)
    changed.info = replace(
        info,
        version=f"{info.version}+{found.name}",
        calibration=calibration,
        limits=Limits(found.thresholds),
        spans=SpanRule(found.thresholds.synthetic),
        data={**info.data, "error_rates": [], "profile": found.to_dict()},
    )
    return changed
