"""The family table: siblings found, strangers kept apart, and the counts of the working corpus."""

from __future__ import annotations

import csv
import re
from collections import Counter

import pytest

from earwitness.data.families import FAMILIES, Novelty, families, is_classical, novelty

SIBLINGS = [
    ("hifigan-v1", "hifigan"),
    ("tacotron2+hifigan-v3", "pwg:kan-bayashi_hifigan"),
    ("Parler-TTS-mini-v1", "parler-tts"),
    ("lyra-v1", "lyra-v2-3.2k"),
    ("f5-tts", "vi-f5tts"),
    ("vocos-encodec", "encodec"),
    ("starganv2-vc", "stargan-vc"),
    ("melgan-variant-f0", "taco+melgan_orig"),
    ("thorsten-taco2+waveglow", "tacotron2"),
    ("quickvc-sr", "quickvc-nosr"),
    ("ding-gle:gle", "gle-wavernn"),
]
STRANGERS = [
    ("eigencodec", "encodec"),
    ("pwg:kan-bayashi_hifigan", "pwg:kan-bayashi_melgan"),
    ("s2vc:apc-cpc", "vvc"),
    ("styletts2", "stylespeech"),
    ("bigvgan", "hifigan"),
    ("e1-tts", "e2-tts"),
    ("snac", "dac"),
    ("unknown", "unknown"),
    ("ticodec", "freecodec"),
]


@pytest.mark.parametrize(("one", "other"), SIBLINGS)
def test_siblings_share_a_family(one, other):
    assert families(one) & families(other)


@pytest.mark.parametrize(("one", "other"), STRANGERS)
def test_strangers_do_not(one, other):
    assert not families(one) & families(other)


def test_every_part_of_a_pipeline_counts():
    assert families("taco2+griffin-lim") == {"tacotron", "griffin-lim"}
    assert families("human") == families("") == families("unknown-tts") == frozenset()


def test_every_pattern_finds_a_name_and_none_finds_all():
    for family, pattern in FAMILIES.items():
        assert not re.search(pattern, ""), family
        assert not re.search(pattern, "somethingelse"), family


def test_classical():
    assert is_classical("world")
    assert is_classical("mbrola")
    assert not is_classical("grad-tts+world")
    assert not is_classical("human")


def test_novelty_words():
    trained = ["hifigan", "tacotron2", "unknown"]
    assert novelty("hifigan", trained) == "seen"
    assert novelty("hifigan-v2", trained) == "unseen by name"
    assert novelty("tacotron2+vocos", trained) == "unseen by name"
    assert novelty("vocos", trained) == "unseen by family"
    assert novelty("human", trained) == novelty("unknown", trained) == ""
    assert novelty("hifigan", []) == "unseen by family"


@pytest.mark.corpus
def test_counts_of_the_working_corpus(shared):
    """Unseen by name, siblings or not, are as many as the corpus states; classical systems are all in train."""
    with (shared / "corpus" / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "spoof"]
    known = Novelty(row["system"] for row in rows if row["split"] == "train")
    for split, clips, systems in (("dev", 254, 40), ("eval", 278, 39)):
        here = [row for row in rows if row["split"] == split]
        words = Counter(known(row["system"]) for row in here)
        new = {row["system"] for row in here if known(row["system"]) != "seen"}
        assert "" not in words
        assert words["unseen by name"] + words["unseen by family"] == clips
        assert len(new) == systems
        assert words["unseen by family"] > 50
    assert not [r for r in rows if r["split"] == "eval" and is_classical(r["system"])]
