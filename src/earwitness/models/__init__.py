"""Models: from a front end's output to ``(batch, 1 or 2)``; they know tensors, not files."""

from __future__ import annotations

MODELS: dict[str, str] = {
    "se_resnet": "earwitness.models.resnet:SEResNet",
}
