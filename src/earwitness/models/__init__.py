"""Models: from a front end's picture to ``(batch, 1 or 2)``; they know tensors, not files.

A model is a :class:`~earwitness.models.base.Classifier`:

- ``Settings``, a frozen dataclass, and ``__init__(settings, *, channels, bins)``;
- ``embedding(picture) -> (batch, width)``, the last hidden layer, which losses on embeddings and heads on the side use;
- ``last``, from the embedding to the outputs, so that ``forward(picture)`` is ``last(embedding(picture))``; a loss that
  needs another last layer puts its own there;
- ``score(outputs) -> (batch,)``, the logit that the voice is generated. Of two outputs the first speaks for bonafide
  and the second for spoof.
"""

from __future__ import annotations

MODELS: dict[str, str] = {
    "aasist": "earwitness.models.aasist:AASIST",
    "aasist_l": "earwitness.models.aasist:AASISTL",
    "ast": "earwitness.models.ast:AST",
    "crnn_gru": "earwitness.models.crnn:CRNNGRU",
    "crnn_lstm": "earwitness.models.crnn:CRNN",
    "efficientnet_b0": "earwitness.models.image:EfficientNetB0",
    "efficientnet_b4": "earwitness.models.image:EfficientNetB4",
    "hubert": "earwitness.models.ssl:HuBERT",
    "lcnn": "earwitness.models.lcnn:LCNN",
    "mel_cnn": "earwitness.models.cnn:MelCNN",
    "mfcc_cnn": "earwitness.models.cnn:MFCCCNN",
    "pooled_cnn": "earwitness.models.cnn:PooledCNN",
    "rawnet2": "earwitness.models.rawnet2:RawNet2",
    "res2net": "earwitness.models.res2net:Res2Net",
    "resnet101": "earwitness.models.image:ResNet101",
    "resnet18": "earwitness.models.image:ResNet18",
    "resnet50": "earwitness.models.image:ResNet50",
    "se_resnet": "earwitness.models.resnet:SEResNet",
    "speech_transformer": "earwitness.models.transformer:SpeechTransformer",
    "wav2vec2": "earwitness.models.ssl:Wav2Vec2",
    "wavlm": "earwitness.models.ssl:WavLM",
    "whisper": "earwitness.models.ssl:Whisper",
    "xlsr": "earwitness.models.ssl:XLSR",
}
