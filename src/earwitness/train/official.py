"""Checkpoints that others published, as detector folders: scored by our own code, as their authors score."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from earwitness import __version__
from earwitness.audio import SAMPLE_RATE
from earwitness.calibrate import Affine, Calibration
from earwitness.detector import Detector
from earwitness.detector_folder import write_detector
from earwitness.errors import ConfigError
from earwitness.export import export_onnx
from earwitness.features.raw import Raw, RawSettings
from earwitness.models.aasist import AASIST, AASISTL, from_official

SAMPLES = 64_600
"""What the authors of AASIST score: the first 64,600 samples, repeated from the start when there are fewer."""

_CARD = """# {name}

The network and weights of *{title}* (Jung et al. 2022, arXiv 2110.01200; github.com/clovaai/aasist, MIT), trained by
its authors on ASVspoof 2019 LA. The graph was made by Earwitness's own implementation, {parameters:,} parameters.

It hears the first 64,600 samples (4.04 s) of a recording, repeated from the start when there are fewer, as its authors
score; a recording longer than 60 s is heard in the first 4.04 s of each minute. The score is the difference of the two
outputs. **It is not calibrated**: the score stands for a log-likelihood ratio as it is, both limits are 0, and no error
rate has been measured. `earwitness calibrate` fits it to recordings like yours.
"""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch checkpoint, read as data: nothing in the file is run.

    Raises
    ------
    ConfigError
        If there is no such file, or it is something else.
    """
    try:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, RuntimeError, EOFError, IndexError, KeyError, ValueError, pickle.UnpicklingError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(f"{path}: not a checkpoint of tensors: {lines[0]}") from None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ConfigError(f"{path}: not a checkpoint of tensors", hint="a state dictionary is expected")
    return weights


class _Scorer(nn.Module):
    def __init__(self, model: AASIST) -> None:
        super().__init__()
        self.frontend = Raw(RawSettings(samples=SAMPLES))
        self.model = model

    def score(self, waveform: Tensor) -> Tensor:
        """The difference of the two outputs, ``(batch,)``."""
        return self.model.score(self.model(self.frontend(waveform)))


def convert_aasist(checkpoint: Path, out: Path) -> Detector:
    """Write a detector folder from the authors' checkpoint of AASIST or AASIST-L.

    Parameters
    ----------
    checkpoint:
        ``AASIST.pth`` or ``AASIST-L.pth`` of github.com/clovaai/aasist.
    out:
        The detector folder.

    Raises
    ------
    ConfigError
        If the file is not a checkpoint of one of the two.
    ExportError
        If the graph does not give what the network gives.
    """
    model = from_official(read_checkpoint(checkpoint))
    title = "AASIST-L" if isinstance(model, AASISTL) else "AASIST"
    data, parity = export_onnx(_Scorer(model).eval())
    parameters = sum(p.numel() for p in model.parameters())
    name = title.lower()
    info: dict[str, Any] = {
        "id": name,
        "version": __version__,
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        # one window is the whole recording, of which the graph takes the beginning
        "window": {"seconds": 60.0, "hop": 60.0, "min_seconds": SAMPLES / SAMPLE_RATE},
        "pooling": "mean",
        "calibration": Calibration((), (Affine(1.0, 0.0),), "nothing: the raw score as it is").to_dict(),
        "thresholds": {"human": 0.0, "synthetic": 0.0, "rule": "none: the larger output", "chosen_on": "nothing"},
        "error_rates": [],
        "train_systems": [f"A{number:02d}" for number in range(1, 7)],
        "licenses": {},
        "train": {
            "recipe": name,
            "source": "github.com/clovaai/aasist (MIT), trained on ASVspoof 2019 LA",
            "parameters": parameters,
            "onnx_parity": parity,
        },
    }
    write_detector(out, info, data, _CARD.format(name=name, title=title, parameters=parameters))
    return Detector.load(out)
