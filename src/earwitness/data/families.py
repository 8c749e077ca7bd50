"""Which generators are siblings: the family table behind *seen*, *unseen by name* and *unseen by family*.

A system is named by its page (``tacotron2+hifigan-v1``, ``s2vc:apc-cpc``). It belongs to the family of every part that
is named or known to be in it, so a pipeline has several. Families are drawn wide (all flow vocoders are one), because
the claim they serve, that nothing like it was trained on, must not be made too easily. A system counts as *unseen by
family* only when it shares no family with any system of the training set; what a page does not name cannot be known,
and no table changes that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

SEEN = "seen"
UNSEEN_NAME = "unseen by name"
UNSEEN_FAMILY = "unseen by family"

#: family -> regular expression, searched in the lower-case name with "_" read as "-"
FAMILIES: dict[str, str] = {
    # acoustic models and end-to-end speech synthesis
    "bark": r"\bbark\b",
    "chive": r"\bchive\b",
    "clam-tts": r"clam-?tts",
    "cosyvoice": r"cosyvoice",
    "deepvoice": r"deepvoice",
    "delightfultts": r"delightfultts",
    "diffgan-tts": r"diffgan",
    "e2-f5-tts": r"\be2-tts|f5-?tts",
    "fastpitch": r"fastpitch",
    "fastspeech": r"fastspeech|\bfs-v\d|multispeaker-fs2|\bjets\b|portaspeech|syntaspeech|comprehensive-transformer",
    "glow-tts": r"glow-?tts",
    "gradtts": r"grad-tts|guided-tts",
    "hierspeech": r"hierspeech|hiervst",
    "indextts-xtts": r"\bxtts|index-?tts",
    "mega-tts": r"mega-tts",
    "naturalspeech": r"naturalspeech",
    "parler-tts": r"parler|paraspeechcaps",
    "prompttts": r"prompttts",
    "speechresynthesis": r"\b(p|d)?gslm\b|speech-resynthesis|hubert-hifigan|dissc|textless|unit(speech)?(hfg)?-s2u?t",
    "speechtokenizer": r"speechtokenizer",
    "stylespeech": r"stylespeech",
    "styletts": r"styletts|kokoro|hibari",
    "tacotron": r"taco(tron|\d|\b)|forwardtacotron|dctts",
    "tensorflowtts": r"tensorflowtts|tftts",
    "tortoise": r"tortoise",
    "transformer-tts": r"transformer-tts",
    "vall-e": r"vall-e|ella-v|rall-e",
    "vits": r"\bvits|yourtts|\bpits\b|\bpiper\b",
    "voicebox": r"voicebox",
    "voicecraft": r"voicecraft|voicestar",
    # voice conversion
    "ding": r"\bding-|\bgle-|\bgle\b|accentron",
    "adain-vc": r"adain-vc",
    "again-vc": r"again-vc",
    "assem-vc": r"assem-vc|cotatron",
    "autovc": r"autovc|autopst",
    "bne-ppg-vc": r"bne-ppg",
    "cyclegan-vc": r"cyclegan|cycle-?mask",
    "dddm-vc": r"dddm-vc|diffhiervc",
    "diffvc": r"diffvc",
    "freecodec": r"freecodec",
    "lvc-vc": r"lvc-vc",
    "nansy": r"nansy",
    "nvc-net": r"nvc-net",
    "s2vc": r"\bs2vc|fragmentvc",
    "stargan-vc": r"stargan",
    "takin": r"takin",
    "urhythmic": r"urhythmic",
    "vq-vc": r"vqmivc|vqvc|vq-?vae",
    # vocoders
    "bigvgan": r"bigvgan",
    "clarinet": r"clarinet",
    "diffwave": r"diffwave|wavegrad|specgrad|fastdiff|infergrad",
    "flow-vocoder": r"waveglow|waveflow|squeezewave|nanoflow|flowvocoder|wavevae",
    "hifigan": r"hi-?fi-?gan",
    "istftnet": r"istftnet|hiftnet",
    "lpcnet": r"lpcnet|fargan",
    "melgan": r"melgan|melgan-stft|univnet|tfgan",
    "nsf": r"\bnsf\b|[-:]nsf\b|usfgan",
    "parallel-wavegan": r"parallel-wavegan|\bpwg|pwgan|kan-bayashi-wavegan|r9y9-wavegan",
    "vocgan": r"vocgan",
    "vocos": r"vocos",
    "wavenet": r"wavenet",
    "wavernn": r"wavernn",
    # neural codecs
    "ardit": r"\bardit|e1-?tts",
    "dac": r"\bdac\b",
    "encodec": r"\bencodec",
    "lyra": r"lyra",
    "mqtts": r"mqtts",
    "snac": r"\bsnac\b",
    "ticodec": r"ticodec",
    # not neural
    "codec2": r"codec2",
    "espeak": r"espeak",
    "festival": r"festival|\bflite\b|\bhts\b|mbrola",
    "griffin-lim": r"griffin-?lim",
    "pico": r"\bpico\b",
    "rhvoice": r"rhvoice",
    "world": r"\bworld\b",
}

CLASSICAL = frozenset({"codec2", "espeak", "festival", "griffin-lim", "pico", "rhvoice", "world"})

_TABLE = {family: re.compile(pattern) for family, pattern in FAMILIES.items()}
_NOTHING = frozenset(
    {"", "-", "human", "unknown", "unknown-tts", "unknown-vocoder", "tts", "vocoder", "gt", "gt-vocoded"}
)
# demonstration pages that set several systems side by side: the page's name says nothing about the system
_PAGES = frozenset({"pwg", "pntts", "r9y9", "r9y9-tts", "specgrad-demo"})
_VARIANT = re.compile(
    r"(?:[-.]?v?\d+(?:\.\d+)?k?|[-.](?:mini|small|base|large|xl|sr|nosr|s|l|adv\.?|normal|baseline|proposed|ours|orig|"
    r"official|ablation|universal|vanilla|vc|tts|vocoder|codec|full))+$"
)


@lru_cache(maxsize=4096)
def families(system: str) -> frozenset[str]:
    """The families of a system; empty when nothing is known about it (human speech, ``unknown``).

    A part that is in no family of the table is a family of its own, under its name without variant endings
    (``-v2``, ``-small``, ``-baseline`` …).

    Examples
    --------
    >>> sorted(families("tacotron2+hifigan-v1")), sorted(families("newvoice-v2"))
    (['hifigan', 'tacotron'], ['newvoice'])
    >>> families("hifigan-v1") & families("hifigan")
    frozenset({'hifigan'})
    """
    name = re.sub(r"\s*\(.*?\)", "", system.strip().lower().replace("_", "-"))
    found: set[str] = set()
    for part in name.split("+"):
        if part in _NOTHING:
            continue
        page, colon, rest = part.partition(":")
        text = rest if colon and page in _PAGES else part
        known = {family for family, pattern in _TABLE.items() if pattern.search(text)}
        found |= known or {_base(page)}
    return frozenset(found - _NOTHING)


def _base(name: str) -> str:
    return _VARIANT.sub("", name) or name


def is_classical(system: str) -> bool:
    """Whether every known part of the system is a classical synthesiser or signal processing, without a network.

    Examples
    --------
    >>> is_classical("espeak"), is_classical("tacotron2+griffin-lim"), is_classical("unknown")
    (True, False, False)
    """
    found = families(system)
    return bool(found) and found <= CLASSICAL


def novelty(system: str, train_systems: Iterable[str]) -> str:
    """How new a system is to a detector trained on ``train_systems``: one of three words, or ``""`` when not known.

    ``"seen"``: it stands in ``train_systems`` under exactly this name. ``"unseen by family"``: none of its families
    occurs there. ``"unseen by name"``: everything between – another name, but a sibling was trained on.

    Examples
    --------
    >>> [novelty(s, ["hifigan", "vits"]) for s in ("vits", "hifigan-v1", "bark", "unknown")]
    ['seen', 'unseen by name', 'unseen by family', '']
    """
    return Novelty(train_systems)(system)


class Novelty:
    """:func:`novelty` for many systems against one training set.

    Examples
    --------
    >>> Novelty(["hifigan"])("hifigan-v3")
    'unseen by name'
    """

    def __init__(self, train_systems: Iterable[str]) -> None:
        self.systems = frozenset(train_systems)
        self.families = frozenset().union(*(families(s) for s in self.systems))

    def __call__(self, system: str) -> str:
        """The word for ``system``; human speech and unknown generators give ``""``."""
        mine = families(system)
        if not mine:
            return ""
        if system in self.systems:
            return SEEN
        return UNSEEN_NAME if mine & self.families else UNSEEN_FAMILY
