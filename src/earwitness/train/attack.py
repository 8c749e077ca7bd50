"""Adversarial audio: noise made for one clip and one detector, so small that it is hard to hear, that turns the score.

The noise is computed on a PyTorch twin of the detector (a run's network, or the exported graph itself), written as a
16-bit file, and judged by the detector as it ships: decoder, windows, pooling, calibration and limits. Sources: the
fast gradient sign method, Goodfellow et al. 2015 (arXiv 1412.6572); projected gradient descent, Madry et al. 2018
(arXiv 1706.06083); expectation over transformations, Athalye et al. 2018 (arXiv 1707.07397).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earwitness.audio.windows import WindowPlan
from earwitness.augment.codec import encoded
from earwitness.augment.noise import ColouredNoise
from earwitness.augment.signals import RATE, Samples, clip_seed, rms
from earwitness.data.manifest import Manifest
from earwitness.detector import Detector
from earwitness.verdict import decide

METHODS = ("random", "fgsm", "pgd")
"""``random`` is noise of the same size with drawn signs: what any noise does."""
SNRS = (60.0, 50.0, 40.0, 30.0)
RANDOM_RATES = (12_000, 14_000, 20_000, 22_050, 32_000, 44_100)


class Scoring(Protocol):
    """A twin: ``score`` of ``(batch, samples)`` is ``(batch,)``, with gradients."""

    def score(self, waveform: Tensor, /) -> Tensor:
        """The logits."""
        ...


@dataclass(frozen=True)
class Judged:
    """What the shipped detector says: ratio and verdict."""

    llr: float
    label: str


@dataclass(frozen=True)
class Trial:
    """One clip under one attack: before, after, and after with randomised input; ``snr`` as measured."""

    clip: str
    spoof: bool
    method: str
    aimed: float
    snr: float
    before: Judged
    before_randomised: Judged
    after: Judged
    randomised: Judged


def of_windows(twin: Scoring, plan: WindowPlan) -> Callable[[Tensor], Tensor]:
    """The mean logit over a clip's windows, as in a scan, as a function of its samples ``(n,)``.

    Parameters
    ----------
    twin:
        Scores windows.
    plan:
        How the detector cuts, repeats what is short, and weighs.
    """

    def score(samples: Tensor) -> Tensor:
        logits = []
        for start, end in plan.bounds(samples.shape[0]):
            window = samples[start:end]
            length = plan.scored_length(window.shape[0])
            logits.append(twin.score(window.repeat(-(-length // window.shape[0]))[None, :length]))
        weights = torch.tensor(plan.fresh(samples.shape[0]), dtype=torch.float32)
        return (torch.cat(logits) * weights).sum() / weights.sum()

    return score


def adversarial(
    score: Callable[[Tensor], Tensor],
    samples: Samples,
    *,
    spoof: bool,
    method: str,
    snr_db: float,
    seed: Sequence[int],
    steps: int = 10,
    draws: int = 1,
) -> Samples:
    """``samples`` with noise of at most the size of ``snr_db`` below them that pushes the score to the other label.

    Parameters
    ----------
    score:
        Differentiable score of ``(n,)``, higher = generated.
    samples:
        Float32 mono at 16 kHz in [-1, 1].
    spoof:
        The true label: a generated clip is pushed down, a human one up.
    method:
        Of :data:`METHODS`. The size is a largest value for each sample: the root mean square of the clip, lowered by
        ``snr_db``. Noise of signs alone has just this signal-to-noise ratio, other noise a higher one.
    steps:
        Of ``pgd``.
    draws:
        Above 1, each step follows the mean gradient over so many copies with noise 25 dB under the clip, which is what
        an attacker does who knows that input is randomised.
    """
    rng = np.random.default_rng(seed)
    size, push = rms(samples) * 10.0 ** (-snr_db / 20.0), -1.0 if spoof else 1.0
    clean = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    if method == "random":
        return _added(clean, torch.from_numpy(rng.choice([-1.0, 1.0], len(samples))).float() * size)
    noise = torch.zeros_like(clean)
    for _ in range(steps if method == "pgd" else 1):
        total = torch.zeros_like(clean)
        for _ in range(draws):
            point = (clean + noise).requires_grad_()
            heard = point
            if draws > 1:
                heard = point + torch.from_numpy(rng.standard_normal(len(samples))).float() * rms(samples) * 10**-1.25
            (gradient,) = torch.autograd.grad(score(heard), point)
            total = total + gradient
        step = size if method == "fgsm" else 2.5 * size / steps
        noise = (noise + push * step * total.sign()).clamp(-size, size).detach()
    return _added(clean, noise)


def _added(clean: Tensor, noise: Tensor) -> Samples:
    return np.asarray((clean + noise).clamp(-1.0, 1.0).numpy(), dtype=np.float32)


def measured_snr(clean: Samples, changed: Samples) -> float:
    """Signal-to-noise ratio in dB of a changed clip; infinite if nothing changed."""
    noise = np.asarray(changed, dtype=np.float64) - clean
    power = float(np.mean(noise**2))
    return float("inf") if power == 0 else 20 * np.log10(rms(clean)) - 10 * np.log10(power)


def randomised(samples: Samples, rng: np.random.Generator) -> Samples:
    """Another sampling rate and back, and noise 25 to 35 dB below: what an attacker cannot foresee to the sample."""
    import soxr

    rate = float(rng.choice(RANDOM_RATES))
    moved = soxr.resample(soxr.resample(samples, RATE, rate), rate, RATE)
    return ColouredNoise(snr_db=(25.0, 35.0), slope=(0.0, 1.0), hum=0.0)(np.asarray(moved, dtype=np.float32), rng)


def judged(detector: Detector, samples: Samples) -> Judged | None:
    """The verdict of the detector as it ships on a 16-bit file of ``samples``; None if there is no score."""
    verdict = detector.scan(encoded(samples, "wav"))
    return None if verdict.llr is None or verdict.label is None else Judged(verdict.llr, verdict.label)


def judged_randomised(detector: Detector, samples: Samples, *, seed: Sequence[int], copies: int) -> Judged | None:
    """The verdict on the mean ratio of ``copies`` randomised copies, with the limits for the audio as it is."""
    rng = np.random.default_rng(seed)
    llrs, whole = [], detector.scan(encoded(samples, "wav"))
    for _ in range(copies):
        heard = detector.score_file(encoded(randomised(samples, rng), "wav"))
        if heard.llr is not None:
            llrs.append(heard.llr)
    if not llrs or whole.thresholds is None:
        return None
    llr = float(np.mean(llrs))
    # the quality gate's answer stands; else the score alone decides
    gated = whole.label == "inconclusive" and decide(whole.llr, whole.thresholds, None)[0] != "inconclusive"
    return Judged(llr, "inconclusive" if gated else decide(llr, whole.thresholds, None)[0])


@dataclass(frozen=True)
class Plan:
    """What to try: methods, signal-to-noise ratios, steps of ``pgd``, copies of the randomised input, and the seed.

    ``adaptive`` adds ``pgd`` through noise (named ``pgd-eot``), an attack that knows of the randomised input.
    """

    methods: Sequence[str] = METHODS
    snrs: Sequence[float] = SNRS
    steps: int = 10
    copies: int = 4
    adaptive: bool = False
    seed: int = 0
    eot_draws: int = 4

    def each(self) -> Iterator[tuple[str, float]]:
        """Every attack with its signal-to-noise ratio."""
        for method in (*self.methods, *(("pgd-eot",) if self.adaptive else ())):
            for snr in self.snrs:
                yield method, snr


def attack(twin: Scoring, detector: Detector, manifest: Manifest, plan: Plan) -> Iterator[list[Trial]]:
    """All attacks on one clip after another; clips without a score are passed over.

    Parameters
    ----------
    twin:
        Where gradients come from.
    detector:
        What judges.
    manifest:
        Labelled clips.
    plan:
        What to try.
    """
    from earwitness.audio import decode

    score = of_windows(twin, detector.info.window)
    for row in manifest:
        samples: NDArray[np.float32] = decode(manifest.file(row)).samples
        seed = clip_seed(plan.seed, 0, row.id)
        before = judged(detector, samples)
        calm = judged_randomised(detector, samples, seed=seed, copies=plan.copies)
        if before is None or calm is None:
            continue
        out = []
        for number, (method, snr) in enumerate(plan.each()):
            changed = adversarial(
                score,
                samples,
                spoof=row.spoof,
                method=method.partition("-")[0],
                snr_db=snr,
                seed=[*seed, number],
                steps=plan.steps,
                draws=plan.eot_draws if method == "pgd-eot" else 1,
            )
            after = judged(detector, changed)
            masked = judged_randomised(detector, changed, seed=[*seed, number, 1], copies=plan.copies)
            if after is not None and masked is not None:
                real = measured_snr(samples, changed)
                out.append(Trial(row.id, row.spoof, method, snr, real, before, calm, after, masked))
        yield out
