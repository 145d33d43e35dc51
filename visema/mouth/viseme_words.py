"""Short speeches in which each viseme is heard, for engines that learn mouths from sound."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from visema.media.audio import resample
from visema.mouth.heard import RATE
from visema.speech.espeak import EspeakEngine
from visema.speech.types import SpeechSettings
from visema.types import Samples
from visema.visemes.classes import SILENCE, VISEMES
from visema.visemes.plan import viseme_track

#: Said slowly, so that the mouth gets there.
SPEED: Final = 0.75
WORDS: Final[dict[str, str]] = {
    "M": "mama mama",
    "Aa": "ah ah ah",
    "Ax": "uh uh uh",
    "Ao": "awe awe awe",
    "Eh": "bed bed bed",
    "Er": "her her her",
    "Iy": "see see see",
    "Ih": "it it it",
    "W": "woo woo woo",
    "Oh": "oh oh oh",
    "Oy": "boy boy boy",
    "Ay": "my my my",
    "H": "ha ha ha",
    "R": "red red red",
    "L": "la la la",
    "S": "sass sass",
    "Sh": "she she she",
    "Th": "think think",
    "F": "fee fee fee",
    "T": "ten ten ten",
    "K": "kick kick",
}
#: A viseme that begins later than this has come from another sound.
LEAST_LEAD_S: Final = 0.15
#: Seconds of a speech without words.
SILENCE_S: Final = 0.6


class Said(NamedTuple):
    """A short speech at `RATE`, and when its viseme is at its fullest, in seconds."""

    samples: Samples
    time: float


def say_viseme(viseme: str) -> Said:
    """Speech of the embedded voice in which a viseme is heard."""
    if viseme == SILENCE:
        return Said(np.zeros(round(SILENCE_S * RATE), np.float32), SILENCE_S / 2)
    speech = EspeakEngine().speak(WORDS[viseme], "en-us", SpeechSettings(rate=SPEED))
    spans = [span for span in viseme_track(speech).spans if span.label == viseme]
    # A mouth that comes from rest is not there yet.
    longest = max(spans, key=lambda span: (span.start > LEAST_LEAD_S, span.end - span.start))
    return Said(resample(speech.samples, speech.rate, RATE), (longest.start + longest.end) / 2)


assert set(WORDS) | {SILENCE} == set(VISEMES)
