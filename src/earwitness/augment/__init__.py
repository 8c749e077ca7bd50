"""Augmentation: what happens to a recording on its way, drawn alike for both labels.

An augmentation is a frozen dataclass that is called with ``(samples, rng)``: float32 mono at 16 kHz in, the same
length out. It does not know the label. All randomness comes from the generator that is passed in.
"""

from __future__ import annotations

AUGMENTS: dict[str, str] = {
    "babble": "earwitness.augment.recorded:Babble",
    "background": "earwitness.augment.background:Background",
    "band": "earwitness.augment.channel:Band",
    "clipping": "earwitness.augment.channel:Clipping",
    "codec": "earwitness.augment.codec:Codec",
    "companding": "earwitness.augment.channel:Companding",
    "equalizer": "earwitness.augment.channel:Equalizer",
    "gain": "earwitness.augment.channel:Gain",
    "noise": "earwitness.augment.noise:ColouredNoise",
    "packet_loss": "earwitness.augment.channel:PacketLoss",
    "pitch": "earwitness.augment.stretch:PitchShift",
    "rawboost": "earwitness.augment.rawboost:RawBoost",
    "recorded_noise": "earwitness.augment.recorded:RecordedNoise",
    "recorded_room": "earwitness.augment.recorded:RecordedRoom",
    "resample": "earwitness.augment.channel:ResampleChain",
    "room": "earwitness.augment.room:Room",
    "silence": "earwitness.augment.silence:Silence",
    "simulated_room": "earwitness.augment.recorded:SimulatedRoom",
    "speed": "earwitness.augment.speed:Speed",
    "splice": "earwitness.augment.silence:Splice",
    "stretch": "earwitness.augment.stretch:TimeStretch",
    "time_mask": "earwitness.augment.mask:TimeMask",
}
