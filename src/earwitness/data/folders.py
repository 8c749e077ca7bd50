"""A folder of one's own: clips sorted into folders whose names say what they are.

Known names (any case), at any depth: ``bonafide, bona-fide, genuine, human, real`` and ``ai, fake, generated, spoof,
spoofed, synthetic``. Names of further folders can be given. ``train, training, dev, val, valid, validation, test,
testing, eval, evaluation`` above or below them are the split. A folder directly below a spoof folder is the
generator's name (``fake/hifigan/1.wav``). A clip under no such name, or under names of both classes, is an error:
nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from earwitness.data.manifest import BONAFIDE, SPOOF, Row
from earwitness.data.protocols import HUMAN, audio_files, relative
from earwitness.errors import ManifestError

LICENCE = "the user's own"
HUMAN_WORDS = ("bonafide", "bona-fide", "genuine", "human", "real")
SPOOF_WORDS = ("ai", "fake", "generated", "spoof", "spoofed", "synthetic")
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("eval", "evaluation"), "eval"),
}


def rows(root: Path, *, human_words: Sequence[str] = (), spoof_words: Sequence[str] = ()) -> Iterator[Row]:
    """One row for each audio file below ``root``, sorted by path.

    Parameters
    ----------
    root:
        The folder.
    human_words, spoof_words:
        Further folder names that mean human or generated.

    Raises
    ------
    ManifestError
        If there is no audio file, or one lies under no label, under both, or under two splits.
    """
    labels = {word.lower(): BONAFIDE for word in (*HUMAN_WORDS, *human_words)}
    for word in (*SPOOF_WORDS, *spoof_words):
        if labels.setdefault(word.lower(), SPOOF) == BONAFIDE:
            raise ManifestError(f"folder name {word!r} is given for both classes")
    files = audio_files(root)
    if not files:
        raise ManifestError(f"{root}: no audio files", hint="looked for .wav, .flac, .mp3, .opus and others")
    for file in files:
        folders = file.relative_to(root).parts[:-1]
        label = _only({labels[f.lower()] for f in folders if f.lower() in labels}, file, "label")
        if not label:
            raise ManifestError(
                f"{file}: no folder of its path says human or generated",
                hint=f"known: {', '.join(labels)}; add names with --human-word and --spoof-word",
            )
        at = max(i for i, f in enumerate(folders) if f.lower() in labels)
        below = [f for f in folders[at + 1 :] if f.lower() not in SPLITS]
        yield Row(
            relative(file, root),
            label,
            system=HUMAN if label == BONAFIDE else (below[0] if below else ""),
            kind=HUMAN if label == BONAFIDE else "",
            split=_only({SPLITS[f.lower()] for f in folders if f.lower() in SPLITS}, file, "split"),
        )


def _only(found: set[str], file: Path, what: str) -> str:
    if len(found) > 1:
        raise ManifestError(f"{file}: its folders name more than one {what}: {', '.join(sorted(found))}")
    return found.pop() if found else ""
