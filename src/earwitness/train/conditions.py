"""The conditions under which dev is heard to calibrate, to set limits and to measure error rates.

They are fewer than those of ``earwitness robustness``, and in part others: a limit must not be fitted to that test.
"""

from __future__ import annotations

from earwitness.augment.conditions import AS_IS, Condition, crop, musical, noisy, telephone

CONDITIONS: dict[str, Condition] = {
    c.name: c
    for c in (
        Condition(AS_IS, "opus/vorbis", group="plain"),
        Condition("lossless copy", "lossless", group="benign"),
        Condition("mp3 64 kbit/s", "mp3/aac", form=("mp3-44k", 64.0)),
        Condition("aac 48 kbit/s", "mp3/aac", form=("aac", 48.0)),
        Condition("opus 16 kbit/s", "opus/vorbis", form=("opus", 16.0)),
        Condition("telephone", "telephone", telephone),
        Condition("noise 15 dB", "opus/vorbis", noisy(15.0)),
        Condition("noise 5 dB", "opus/vorbis", noisy(5.0)),
        Condition("music 15 dB", "opus/vorbis", musical(15.0)),
        Condition("1.5 s of it", "opus/vorbis", crop(1.5)),
    )
}
"""Name to condition. The corpus itself is Opus, so a clip that went through nothing counts as that."""
