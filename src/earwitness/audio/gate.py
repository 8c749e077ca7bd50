"""May a verdict be given at all? Reasons against it, and warnings, in plain English, from the measured quality."""

from __future__ import annotations

from earwitness.audio.quality import Quality

MIN_SPEECH = 1.0
"""Seconds of speech below which no verdict is given."""
_SILENT_LEVEL = -70.0
_SPEECH_IN_MUSIC = 0.3


def gate(quality: Quality) -> tuple[str | None, list[str]]:
    """The reason for an inconclusive verdict (``None``: go on), and warnings about what may mislead one.

    Examples
    --------
    >>> from earwitness.audio.quality import measure
    >>> import numpy as np
    >>> gate(measure(np.zeros(32_000, dtype=np.float32)))
    ('digital silence: nothing was recorded', [])
    """
    return _reason(quality), _warnings(quality)


def _reason(quality: Quality) -> str | None:
    if quality.seconds <= 0:
        return "no audio: the recording holds no samples"
    if quality.digital_silence_share > 0.98:
        if abs(quality.dc) > 1e-4:
            return f"a constant value only ({quality.dc:+.3f} of full scale): nothing was recorded"
        return "digital silence: nothing was recorded"
    speech = quality.speech_seconds
    if speech < MIN_SPEECH:
        least = f"at least {MIN_SPEECH:g} s is needed"
        if quality.music_share > 0.5:
            return f"music without enough speech ({speech:.1f} s of speech; {least})"
        if speech < 0.1:
            return f"no speech found ({least})"
        return f"too little speech ({speech:.1f} s; {least})"
    if quality.music_share > 0.5 and quality.music_in_speech > 0.5 and speech < _SPEECH_IN_MUSIC * quality.seconds:
        return f"music: the {speech:.1f} s that seem to be speech may be part of it"
    if quality.level_db is not None and quality.level_db < _SILENT_LEVEL:
        return f"far too quiet: the speech lies at {quality.level_db:.0f} dBFS"
    return None


def _warnings(quality: Quality) -> list[str]:
    found = []
    if quality.clipped_share > 0.001:
        found.append(f"clipped: {100 * quality.clipped_share:.1f} % of the samples stand at full scale")
    if quality.speech_seconds < 0.1:
        return found
    band, masked = quality.bandwidth_hz, quality.snr_db is not None and quality.snr_db < 20
    if band is not None and band <= 7000 and masked:
        found.append(f"the speech stands above the noise only up to {band / 1000:.1f} kHz")
    elif band is not None and band <= 4250:
        found.append(f"only {band / 1000:.1f} kHz of bandwidth: telephone, or a strong codec?")
    elif band is not None and band <= 7000:
        found.append(f"narrowed bandwidth: nothing above {band / 1000:.1f} kHz")
    if quality.snr_db is not None and quality.snr_db < 10:
        found.append(f"noisy: about {quality.snr_db:.0f} dB between speech and noise")
    if quality.level_db is not None and quality.level_db < -45:
        found.append(f"very quiet: the speech lies at {quality.level_db:.0f} dBFS")
    if quality.music_in_speech > 0.5:
        found.append(f"music under the speech ({100 * quality.music_in_speech:.0f} % of it)")
    if quality.digital_silence_share > 0.2:
        found.append(f"{100 * quality.digital_silence_share:.0f} % digital silence: cut, gated or generated")
    if abs(quality.dc) > 0.02:
        found.append(f"a constant offset of {quality.dc:+.3f} of full scale")
    if MIN_SPEECH <= quality.speech_seconds < 2.0:
        found.append(f"only {quality.speech_seconds:.1f} s of speech: the verdict is less certain")
    return found
