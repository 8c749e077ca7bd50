"""Corpora, manifests, splits, and the audit that finds shortcuts before a model learns them.

``DATASETS`` is the visible table of corpora: ``name -> "module:rows"``; each module yields
:class:`~earwitness.data.manifest.Row` objects from a corpus folder.
"""

from __future__ import annotations

DATASETS = {
    "demo-pages": "earwitness.data.demo_pages:rows",
}

__all__ = ["DATASETS"]
