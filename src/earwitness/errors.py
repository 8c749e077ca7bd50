"""The one tree of errors. Every error says what happened, where, what was found and what to do about it.

Nothing in this package raises a bare ``ValueError`` at a user: what the user can cause is an
:class:`EarwitnessError`, with a stable ``code`` for programs and a ``hint`` for people.
"""

from __future__ import annotations


class EarwitnessError(Exception):
    """Base of all errors that a user, a file or a setting can cause.

    Parameters
    ----------
    message:
        What happened, where, and what was found, in one sentence.
    hint:
        What to do about it; may be empty.
    code:
        A stable word for programs, such as ``"no-audio-stream"``; the class's own ``code`` unless given.

    Examples
    --------
    >>> str(AudioError("clip.wav: 0 bytes", hint="record it again", code="empty-file"))
    'clip.wav: 0 bytes (record it again)'
    """

    code: str = "error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self) -> dict[str, str]:
        """The error as it stands in JSON: ``code``, ``message``, ``hint``."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class AudioError(EarwitnessError):
    """A recording cannot be read: missing, empty, not audio, without sound, or with an absurd header."""

    code = "audio"


class ManifestError(EarwitnessError):
    """A manifest, a protocol or a score file is wrong; the message names the file and the line."""

    code = "manifest"


class DetectorError(EarwitnessError):
    """A detector folder is missing, incomplete, changed since it was written, or of another format."""

    code = "detector"


class ConfigError(EarwitnessError):
    """A setting is unknown, of the wrong type or out of range."""

    code = "config"


class UnknownNameError(ConfigError):
    """A name is in none of the tables; the hint lists the near ones."""

    code = "unknown-name"


class MissingExtraError(EarwitnessError):
    """A feature needs an optional part of the package that is not installed."""

    code = "missing-extra"


class MetricError(EarwitnessError):
    """A metric is not defined for these scores, such as an EER with one class only."""

    code = "metric"


class TrainingError(EarwitnessError):
    """Training cannot start or go on: no data of a class, diverged, a run folder of another recipe."""

    code = "training"


class ExportError(EarwitnessError):
    """The exported graph does not give what the trained model gives."""

    code = "export"


class RecordError(EarwitnessError):
    """Records cannot be opened, kept or read, or a record is not what it must be."""

    code = "records"


class SignatureError(EarwitnessError):
    """A signing key cannot be read, or a signature is missing or wrong."""

    code = "signature"
