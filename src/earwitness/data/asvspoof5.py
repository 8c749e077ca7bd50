"""ASVspoof 5, track 1: crowd-sourced speech (MLS English), 32 attacks (some adversarial), codecs; 16 kHz FLAC.

Tree (the protocols lie in ``root`` or in ``root/ASVspoof5_protocols``)::

    ASVspoof5.train.tsv   ASVspoof5.dev.track_1.tsv   ASVspoof5.eval.track_1.tsv
    flac_T/T_0000000000.flac   flac_D/D_….flac   flac_E_eval/E_….flac   (or flac_E/…)

Lines (separated by spaces, in spite of the name): speaker, file, gender, codec, codec quality, codec seed, attack tag,
attack label, key (column 9), ``-``. Licence: ODC-By 1.0, as stated in the package.
Citation: Wang et al., "ASVspoof 5: crowdsourced speech data, deepfakes, and adversarial attacks at scale", 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, first_folder, generator, label_of, present, protocol_lines

LICENCE = "ODC-By 1.0"
EXPECTED = {
    ("train", BONAFIDE): 18_797,
    ("train", SPOOF): 163_560,
    ("dev", BONAFIDE): 31_334,
    ("dev", SPOOF): 109_616,
    ("eval", BONAFIDE): 138_688,
    ("eval", SPOOF): 542_086,
}
FILES = {
    "train": "ASVspoof5.train.tsv",
    "dev": "ASVspoof5.dev.track_1.tsv",
    "eval": "ASVspoof5.eval.track_1.tsv",
}
FOLDERS = {"train": ("flac_T",), "dev": ("flac_D",), "eval": ("flac_E_eval", "flac_E")}


def rows(root: Path) -> Iterator[Row]:
    """The rows of every split whose protocol is there; gender, codec, quality, seed and attack tag are kept.

    Raises
    ------
    ManifestError
        If no protocol is there, or a line is malformed, has an unknown key or contradicts itself.
    """
    folder = first_folder(root, "ASVspoof5_protocols", "protocols")
    for split, protocol in present(root, {s: folder / name for s, name in FILES.items()}).items():
        audio = first_folder(root, *FOLDERS[split])
        audio = root / FOLDERS[split][0] if audio == root else audio
        for place, cells in protocol_lines(protocol, (9, 10)):
            speaker, trial, gender, codec, quality, seed, tag, attack, key = cells[:9]
            label = label_of(key, place)
            system = generator(label, attack, place)
            named = {"gender": gender, "codec": codec, "codec_quality": quality, "codec_seed": seed, "attack_tag": tag}
            yield Row(
                (audio / f"{trial}.flac").relative_to(root).as_posix(),
                label,
                id=trial,
                system=system,
                kind=HUMAN if system == HUMAN else "",
                speaker=speaker,
                language="en",
                split=split,
                source="ASVspoof5",
                extra={k: v for k, v in named.items() if v != "-"} | {"listed_in": place},
            )
