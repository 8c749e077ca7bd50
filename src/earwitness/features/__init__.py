"""Front ends: torch modules from waveform ``(batch, samples)`` to what a model reads.

They live inside the exported graph, so there is no second copy of their code.
"""

from __future__ import annotations

FRONTENDS: dict[str, str] = {
    "ast_fbank": "earwitness.features.ast_fbank:ASTFbank",
    "cqt": "earwitness.features.cqt:CQT",
    "lfcc": "earwitness.features.lfcc:LFCC",
    "log_mel": "earwitness.features.log_mel:LogMel",
    "log_spectrogram": "earwitness.features.spectrogram:LogSpectrogram",
    "mel_image": "earwitness.features.mel_image:MelImage",
    "mfcc": "earwitness.features.mfcc:MFCC",
    "phase_spectrogram": "earwitness.features.phase_spectrogram:PhaseSpectrogram",
    "raw": "earwitness.features.raw:Raw",
    "statistics": "earwitness.features.statistics:Statistics",
    "whisper_mel": "earwitness.features.whisper_mel:WhisperMel",
}
