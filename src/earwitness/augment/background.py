"""Music and sounds of an environment behind the speech, made by seeded code and recorded nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.augment.signals import RATE, Samples, behind
from earwitness.augment.sounds import MAKERS, make
from earwitness.errors import ConfigError


@dataclass(frozen=True)
class Background:
    """A drawn piece of made sound (:mod:`earwitness.augment.sounds`) at a drawn signal-to-noise ratio.

    Parameters
    ----------
    kinds:
        Kinds of sound, one of which is drawn; named twice, one is drawn twice as often.
    snr_db:
        Range of the ratio of the clip to the sound, over the whole clip.

    Raises
    ------
    ConfigError
        For a kind of which there are no makers, or none at all.

    Examples
    --------
    >>> clip = np.ones(16_000, dtype=np.float32)
    >>> Background(snr_db=(20.0, 20.0))(clip, np.random.default_rng(0)).shape
    (16000,)
    """

    kinds: tuple[str, ...] = ("music", "music", "environment")
    snr_db: tuple[float, float] = (8.0, 35.0)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in MAKERS]
        if unknown or not self.kinds:
            raise ConfigError(
                f"background: no sounds of kind {unknown[0]!r}" if unknown else "background: no kind of sound",
                hint="known: " + ", ".join(sorted(MAKERS)),
            )

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        kind = self.kinds[int(rng.integers(len(self.kinds)))]
        sound = make(kind, max(len(samples), RATE), rng)[: len(samples)]
        return behind(samples, sound, rng.uniform(*self.snr_db))
