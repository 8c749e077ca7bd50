"""How good a network is on dev while it trains; dev chooses, eval is never looked at here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from earwitness import metrics
from earwitness.audio.windows import WindowPlan, tile
from earwitness.data.manifest import Manifest
from earwitness.error_cells import MIN_CLIPS
from earwitness.train.cache import AudioCache


def dev_logits(
    network: nn.Module,
    cache: AudioCache,
    clips: Sequence[str],
    *,
    variant: int = 0,
    window: WindowPlan,
    batch: int = 32,
    device: torch.device | str = "cpu",
) -> NDArray[np.float64]:
    """Mean logits over the windows of each clip, cut, repeated and weighed as in a scan, in the order of ``clips``.

    Windows of one length are scored together, at most ``batch`` at a time, so none is padded or cut short.
    """
    same: dict[int, list[tuple[int, int, int, float]]] = defaultdict(list)
    for i, clip in enumerate(clips):
        length = cache.length(clip, variant)
        for (start, end), fresh in zip(window.bounds(length), window.fresh(length), strict=True):
            same[window.scored_length(end - start)].append((i, start, end, fresh / length))
    out = np.zeros(len(clips))
    network.eval()
    with torch.inference_mode():
        for length, places in sorted(same.items()):
            for first in range(0, len(places), batch):
                chosen = places[first : first + batch]
                waves = [tile(cache.samples(clips[i], variant)[start:end], length) for i, start, end, _ in chosen]
                logits = network.score(torch.from_numpy(np.stack(waves)).to(device))  # type: ignore[operator]
                weights = [weight for *_, weight in chosen]
                np.add.at(out, [i for i, *_ in chosen], logits.double().cpu().numpy() * weights)
    return out


def dev_metrics(manifest: Manifest, logits: NDArray[np.float64], train_systems: frozenset[str]) -> dict[str, float]:
    """EER pooled, weighted over systems, for systems not in training by name, and of the worst kind.

    ``choice`` is their mean: what training picks its best weights by. A kind with fewer than
    :data:`~earwitness.error_cells.MIN_CLIPS` clips has its EER but is not the worst: a dozen clips of one kind, at an
    EER that jumps by eight points a clip, would else be a fourth of the choice. EERs are fractions. The mean over
    systems is the EER of one ROC in which every generated clip weighs one over the clips of its system.
    """
    spoof = np.asarray([row.spoof for row in manifest])
    systems = [row.system for row in manifest]
    counts = Counter(s for s, fake in zip(systems, spoof, strict=True) if fake)
    weights = np.asarray([1.0 / counts[s] if f else 1.0 for s, f in zip(systems, spoof, strict=True)])
    unseen = np.asarray([not f or s not in train_systems for s, f in zip(systems, spoof, strict=True)])
    out = {
        "eer": metrics.eer(logits, spoof),
        "auc": metrics.auc(logits, spoof),
        "eer_systems": metrics.eer(logits, spoof, weights=weights),
    }
    parts = [out["eer"], out["eer_systems"]]
    if (unseen & spoof).any():
        out["eer_unseen"] = metrics.eer(logits[unseen], spoof[unseen])
        parts.append(out["eer_unseen"])
    kinds = Counter(row.kind for row in manifest if row.spoof and row.kind)
    for kind, count in sorted(kinds.items()):
        if count >= 10:
            keep = np.asarray([not r.spoof or r.kind == kind for r in manifest])
            out[f"eer_{kind}"] = metrics.eer(logits[keep], spoof[keep])
    worst = max((out[f"eer_{kind}"] for kind, count in kinds.items() if count >= MIN_CLIPS), default=None)
    if worst is not None:
        parts.append(worst)
    out["choice"] = float(np.mean(parts))
    return out
