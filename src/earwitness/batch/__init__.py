"""Many recordings at once, from a folder to a bucket, on one machine or a cluster; it goes on where it was stopped.

:func:`earwitness.batch.run.run_batch` writes one row a recording to Parquet, JSONL or CSV.
:func:`earwitness.batch.run.score_many` gives the rows themselves.
"""

from __future__ import annotations

#: backend -> function of (items, job, crew) that gives one row an item, in any order
BACKENDS: dict[str, str] = {
    "local": "earwitness.batch.local:rows",
    "ray": "earwitness.batch.on_ray:rows",
}

#: ends of file names that a folder, a bucket or a shard is searched for; a file that is named is read whatever its name
_NAMES = """
3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi awb caf dts eac3 flac flv gsm m2ts m4a m4b m4v mka mkv mov mp2 mp3 mp4
mpeg mpg mts mxf oga ogg ogv opus ra rm sln snd spx tta voc w64 wav wave webm wma wmv wv
"""
EXTENSIONS = frozenset(_NAMES.split())
