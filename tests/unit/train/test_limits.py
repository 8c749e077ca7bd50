"""Choosing limits on dev: noise widens, what is harmless does not, and every condition keeps to the bar."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab half is not installed")

from earwitness.detector_limits import Limits
from earwitness.train.limits import Heard, choose_limits

CLIPS = 500
MAX_WRONG = 0.05


def made(seed: int, *, worst: float = 0.4) -> Heard:
    """Clips as they are, as a harmless copy, and in noise, where the two labels lie closer together."""
    rng = np.random.default_rng(seed)
    llr, spoof, cells, clips, conditions = [], [], [], [], []
    for name, gap, codec, snr in (("as it is", 4.0, "opus/vorbis", ">20"), ("copy", 4.0, "lossless", ">20"),
                                  ("noise", worst, "opus/vorbis", "<10")):  # fmt: skip
        for number in range(2 * CLIPS):
            fake = number % 2 == 1
            llr.append(rng.normal(gap / 2 if fake else -gap / 2, 1.5))
            spoof.append(fake)
            cells.append({"speech_seconds": "2-5", "bandwidth_khz": "8", "snr_db": snr, "codec": codec})
            clips.append(f"c{number}")
            conditions.append(name)
    plain = np.array([c == "as it is" for c in conditions])
    return Heard(np.array(llr), np.array(spoof), cells, clips, conditions, np.ones(len(llr), dtype=bool), plain)


def wrong_shares(heard: Heard, limits: Limits, condition: str) -> tuple[float, float, float]:
    """Of both confident verdicts the share that is wrong, at even odds; and the share inconclusive."""
    own = [limits.of(cell)[0] for cell in heard.cells]
    high = heard.llr > np.array([o.synthetic for o in own])
    low = heard.llr < np.array([o.human for o in own])
    mine = np.array([c == condition for c in heard.conditions])
    humans, fakes = mine & ~heard.spoof, mine & heard.spoof

    def share(called: np.ndarray, bad: np.ndarray, good: np.ndarray) -> float:
        false, right = called[bad].mean(), called[good].mean()
        return float(false / (false + right)) if false else 0.0

    return share(high, humans, fakes), share(low, fakes, humans), float((~high & ~low)[mine].mean())


@pytest.mark.parametrize("seed", range(4))
def test_noise_widens_and_a_harmless_codec_does_not(seed: int) -> None:
    heard = made(seed)
    limits = choose_limits(heard, MAX_WRONG)
    rows = {(r.axis, r.value): r for r in limits.wider}
    noisy, copied = rows["snr_db", "<10"], rows["codec", "lossless"]
    assert noisy.human < limits.best.human - 0.3
    assert noisy.synthetic > limits.best.synthetic + 0.3
    # a limit from 500 clips has a spread of its own; noise must move it far more than that
    assert limits.best.human - copied.human < 0.5 * (limits.best.human - noisy.human)
    assert copied.synthetic - limits.best.synthetic < 0.5 * (noisy.synthetic - limits.best.synthetic)
    assert (noisy.bonafide, noisy.spoof) == (CLIPS, CLIPS)
    shares = {c: wrong_shares(heard, limits, c) for c in ("as it is", "copy", "noise")}
    assert all(s <= MAX_WRONG + 1e-9 for high, low, _ in shares.values() for s in (high, low))
    assert shares["noise"][2] > shares["as it is"][2] + 0.3


def test_one_pair_for_all_would_have_been_wider_for_clean_audio() -> None:
    heard = made(1)
    limits = choose_limits(heard, MAX_WRONG)
    everything = np.ones(len(heard.llr), dtype=bool)
    together = choose_limits(
        Heard(heard.llr, heard.spoof, [{}] * len(heard.llr), heard.clips, heard.conditions, everything, everything),
        MAX_WRONG,
    )
    assert limits.best.synthetic < together.best.synthetic - 0.3
    assert limits.best.human > together.best.human + 0.3


def test_a_value_is_never_narrower_than_an_easier_one() -> None:
    # noise that helps: the rows must not say that less SNR allows narrower limits
    limits = choose_limits(made(2, worst=12.0), MAX_WRONG)
    rows = {(r.axis, r.value): r for r in limits.wider}
    assert rows["snr_db", "<10"].human <= rows["snr_db", ">20"].human
    assert rows["snr_db", "<10"].synthetic >= rows["snr_db", ">20"].synthetic


def test_what_the_gate_refused_and_small_cells_choose_nothing() -> None:
    heard = made(3)
    rare = [{**c, "bandwidth_khz": "<=4"} if i < 60 else c for i, c in enumerate(heard.cells)]
    refused = np.array([c != "noise" for c in heard.conditions])
    limits = choose_limits(
        Heard(heard.llr, heard.spoof, rare, heard.clips, heard.conditions, refused, heard.plain), MAX_WRONG
    )
    values = {(r.axis, r.value) for r in limits.wider}
    assert ("snr_db", "<10") not in values
    assert ("bandwidth_khz", "<=4") not in values
