"""Sounds behind the speech: at the stated ratio, of the stated kinds."""

from __future__ import annotations

import numpy as np
import pytest
from audio_files import voice

from earwitness.augment.background import Background
from earwitness.augment.signals import RATE, rms
from earwitness.augment.sounds import MAKERS
from earwitness.errors import ConfigError


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_every_kind_of_sound_lies_behind_the_speech_at_the_stated_ratio(kind: str, seconds: float) -> None:
    clip = voice(seconds, seed=1).astype(np.float32)
    for seed in range(5):
        sound = Background((kind,), (15.0, 15.0))(clip, np.random.default_rng(seed)) - clip
        if rms(sound) > 1e-6:  # what was drawn may be silent
            assert 20 * np.log10(rms(clip) / rms(sound)) == pytest.approx(15.0, abs=0.1)
            return
    pytest.fail("five silent draws")


def test_ratios_are_drawn_from_their_range() -> None:
    clip = voice(1.0, seed=1).astype(np.float32)
    made = Background(("music",), (10.0, 30.0))
    found = [20 * np.log10(rms(clip) / rms(made(clip, np.random.default_rng(s)) - clip)) for s in range(12)]
    assert 9.9 <= min(found) < 18 < 22 < max(found) <= 30.1
    assert len(clip) == RATE


@pytest.mark.parametrize("kinds", [("music", "birds"), ()])
def test_a_kind_that_nobody_makes_is_an_error(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="background") as error:
        Background(kinds)
    assert "environment" in str(error.value.hint)
