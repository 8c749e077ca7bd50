"""Corpora, manifests, splits, and the audit that finds shortcuts before a model learns them.

``DATASETS`` is the visible table of corpora: ``name -> "module:rows"``. Each module documents its tree, licence and
citation and yields :class:`~earwitness.data.manifest.Row` objects from a corpus folder.
"""

from __future__ import annotations

DATASETS = {
    "asvspoof2019-la": "earwitness.data.asvspoof2019_la:rows",
    "asvspoof2019-pa": "earwitness.data.asvspoof2019_pa:rows",
    "asvspoof2021-df": "earwitness.data.asvspoof2021_df:rows",
    "asvspoof2021-la": "earwitness.data.asvspoof2021_la:rows",
    "asvspoof5": "earwitness.data.asvspoof5:rows",
    "demo-pages": "earwitness.data.demo_pages:rows",
    "fake-or-real": "earwitness.data.fake_or_real:rows",
    "folders": "earwitness.data.folders:rows",
    "in-the-wild": "earwitness.data.in_the_wild:rows",
    "librisevoc": "earwitness.data.librisevoc:rows",
    "mlaad": "earwitness.data.mlaad:rows",
    "partialspoof": "earwitness.data.partialspoof:rows",
    "table": "earwitness.data.table:rows",
    "wavefake": "earwitness.data.wavefake:rows",
}

__all__ = ["DATASETS"]
