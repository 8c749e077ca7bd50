"""The two limits of the confident verdicts, and how they move apart for audio on which the detector errs more.

``detector.json`` has one pair of limits for audio at its best, and rows that are wider, each for one value of one axis
of :data:`~earwitness.error_cells.AXES` (seconds of speech, bandwidth, SNR, codec family)::

    "thresholds": {"human": -1.9, "synthetic": 2.0, "rule": "…", "chosen_on": "dev",
                   "wider": [{"axis": "snr_db", "value": "<10", "human": -3.1, "synthetic": 3.4}]}

A recording is judged by the outermost of all that apply to it. Where a value was not measured, the nearest measured
value of that axis stands for it, and a fact that is not known (or a codec of no family) takes the widest row of its
axis: what is unusual gets the benefit of the doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from earwitness.calibrate import Thresholds
from earwitness.error_cells import AXES, WORDS, cell_of
from earwitness.errors import DetectorError

UNKNOWN = "unknown"
"""The value of an axis for recordings in which the fact could not be measured."""


@dataclass(frozen=True, slots=True)
class Wider:
    """Limits for one value of one axis; ``bonafide`` and ``spoof`` count the clips that they were chosen on."""

    axis: str
    value: str
    human: float
    synthetic: float
    bonafide: int = 0
    spoof: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a detector: a pair for audio at its best, and wider ones by what the audio is like.

    Examples
    --------
    >>> limits = Limits(Thresholds(-2.0, 2.0), (Wider("snr_db", "<10", -3.0, 4.0), Wider("snr_db", ">20", -2.0, 2.0)))
    >>> limits.of({"snr_db": ">20", "codec": "lossless"})
    (Thresholds(human=-2.0, synthetic=2.0), ())
    >>> limits.of({"snr_db": "<10", "codec": "lossless"})
    (Thresholds(human=-3.0, synthetic=4.0), ('snr_db',))
    """

    best: Thresholds
    wider: tuple[Wider, ...] = ()

    @property
    def widest(self) -> Thresholds:
        """The outermost limits of all."""
        rows: tuple[Thresholds | Wider, ...] = (self.best, *self.wider)
        return Thresholds(min(row.human for row in rows), max(row.synthetic for row in rows))

    def of(self, cell: Mapping[str, str | None]) -> tuple[Thresholds, tuple[str, ...]]:
        """Limits for audio in this cell (see :func:`~earwitness.error_cells.cell_of`), and the axes that moved them.

        Without ``wider`` rows the limits are the same for all audio.
        """
        human, synthetic = self.best.human, self.best.synthetic
        moved = []
        for axis in AXES:
            rows = self._rows(axis, cell.get(axis))
            low = min((row.human for row in rows), default=self.best.human)
            high = max((row.synthetic for row in rows), default=self.best.synthetic)
            if low < self.best.human or high > self.best.synthetic:
                moved.append(axis)
            human, synthetic = min(human, low), max(synthetic, high)
        return Thresholds(human, synthetic), tuple(moved)

    def _rows(self, axis: str, value: str | None) -> list[Wider]:
        mine = [row for row in self.wider if row.axis == axis]
        named = [row for row in mine if row.value == (value or UNKNOWN)]
        if named or not mine:
            return named
        if value is None or axis == "codec":
            return mine
        order = AXES[axis]
        known = [row for row in mine if row.value != UNKNOWN] or mine
        steps = [abs(order.index(row.value) - order.index(value)) if row.value in order else 0 for row in known]
        return [row for row, step in zip(known, steps, strict=True) if step == min(steps)]

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``detector.json`` under ``thresholds``, without the words on how it was chosen."""
        out: dict[str, Any] = {"human": self.best.human, "synthetic": self.best.synthetic}
        if self.wider:
            out["wider"] = [asdict(row) for row in self.wider]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, where: str = "thresholds") -> Limits:
        """Read back what :meth:`to_dict` wrote; detectors without ``wider`` have the same limits everywhere.

        Raises
        ------
        DetectorError
            For numbers that are not finite or cross, or a row of an unknown axis or value.
        """
        try:
            best = Thresholds(float(data["human"]), float(data["synthetic"]))
            rows = tuple(Wider(**row) for row in data.get("wider", ()))
        except KeyError as error:
            raise DetectorError(f"{where}: {error.args[0]!r} is missing") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise DetectorError(f"{where}: not as it should be: {error}") from None
        pairs: tuple[Thresholds | Wider, ...] = (best, *rows)
        for pair in pairs:
            if not (math.isfinite(pair.human) and pair.human <= pair.synthetic < math.inf):
                raise DetectorError(f"{where}: must be finite and human not above synthetic, found {dict(data)}")
        for row in rows:
            if row.value not in (*AXES.get(row.axis, ()), UNKNOWN) or row.axis not in AXES:
                raise DetectorError(f"{where}: there is no audio with {row.axis} {row.value!r}")
        return cls(best, rows)


def for_audio(limits: Limits, quality: Mapping[str, Any], codec: str) -> tuple[Thresholds, str]:
    """The limits for audio with these facts (as for :func:`~earwitness.error_cells.cell_of`), and why, in words.

    Examples
    --------
    >>> limits = Limits(Thresholds(-2.0, 2.0), (Wider("snr_db", "<10", -3.0, 4.0),))
    >>> for_audio(limits, {"snr_db": 7.0}, "mp3")
    (Thresholds(human=-3.0, synthetic=4.0), 'SNR (dB) <10')
    """
    cell = cell_of(quality, codec)
    found, moved = limits.of(cell)
    return found, ", ".join(f"{WORDS[axis]} {cell.get(axis) or UNKNOWN}" for axis in moved)
