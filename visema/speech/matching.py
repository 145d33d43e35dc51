"""Voice match: an embedded voice brought near a sample in pitch, rate and timbre. It is no clone, and not called one.

Of espeak-ng's variants the nearest is taken; its pitch and rate are set by what is measured, and the colour of its
sound by a filter of a few decibels. Whoever hears it hears espeak-ng, of about its pitch, pace and brightness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from visema.errors import InputError
from visema.speech import espeak_voices
from visema.speech.espeak import EspeakEngine
from visema.speech.profile import BANDS, LEAST_VOICED, Distance, Profile, distance, profile
from visema.speech.types import Speech, SpeechSettings
from visema.types import Samples

#: Seconds of sample: less says little of a voice; more of it says nothing new.
SHORTEST, LONGEST = 3.0, 120.0
#: espeak-ng's variants that sound like people.
_VARIANTS: Final = ("", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m7")
#: espeak-ng reads figures in every language, and long ones as fluently as sentences: to 10 % at the same rate.
_WORDS: Final = "8347926 5172834 9614753."
#: As far as an embedded voice is bent: semitones, factor, dB.
_PITCH, _RATE, _GAIN = 8.0, (0.65, 1.5), 9.0
_TAPS: Final = 511


@dataclass(frozen=True)
class Match:
    """How an embedded voice is set to be near a sample.

    Attributes:
        base: Full name of the embedded voice.
        rate: Factor.
        pitch: Semitones.
        gains: (12,) dB in `visema.speech.profile.BANDS`.
        sample: What was measured of the sample.
        before: From the sample to the language's usual embedded voice.
        after: From the sample to this.
    """

    base: str
    rate: float
    pitch: float
    gains: tuple[float, ...]
    sample: Profile
    before: Distance
    after: Distance


def match(samples: Samples, rate: int, language: str) -> Match:
    """Bring an embedded voice near a sample.

    Args:
        samples: (n,) mono, 3 s or more of one person.
        rate: Samples a second.
        language: BCP 47 tag that the voice shall speak.

    Raises:
        InputError: There is too little voice in the sample.
    """
    if len(samples) < SHORTEST * rate:
        raise InputError(
            "The sample is {seconds} s long.",
            "Give at least {least} s of one person's speech.",
            seconds=f"{len(samples) / rate:.1f}",
            least=f"{SHORTEST:g}",
        )
    target = profile(samples[: round(LONGEST * rate)], rate)
    if target.voiced < LEAST_VOICED:
        raise InputError(
            "There is hardly any voice in the sample.",
            "Give at least {least} s of one person's speech.",
            least=f"{SHORTEST:g}",
        )
    usual = espeak_voices.nearest(language, "Female" if target.pitch > 165 else "Male").name.partition(":")[2]
    before = distance(target, _plain(usual))
    code = usual.partition("+")[0]
    bases = [f"{code}+{variant}" if variant else code for variant in _VARIANTS]
    nearest = min(bases, key=lambda base: _strangeness(distance(target, _plain(base))))
    best = Match(nearest, 1.0, 0.0, (), target, _SAME, _SAME)
    for _ in range(3):  # each setting moves the others a little
        now = _measured(best)
        away = distance(now, target)
        gains = np.array(best.gains or (0.0,) * len(BANDS)) + np.array(target.colour) - np.array(now.colour)
        best = replace(
            best,
            rate=round(float(np.clip(best.rate * away.rate, *_RATE)), 3),
            pitch=round(float(np.clip(best.pitch + away.semitones, -_PITCH, _PITCH)), 2),
            gains=tuple(round(float(g), 1) for g in np.clip(gains - gains.mean(), -_GAIN, _GAIN)),
        )
    after = distance(target, _measured(best))
    return replace(best, base=f"{espeak_voices.ENGINE}:{best.base}", before=before, after=after)


_SAME: Final = Distance(0.0, 1.0, 0.0)


def _strangeness(away: Distance) -> float:
    """What cannot be set weighs most: the colour, and pitch out of reach."""
    return away.colour + 0.4 * abs(away.semitones) + 3 * max(0.0, abs(away.semitones) - _PITCH)


@lru_cache(maxsize=64)
def _plain(base: str) -> Profile:
    """The embedded voice ``base`` as it is."""
    speech = EspeakEngine().speak(_WORDS, base, SpeechSettings())
    return profile(speech.samples, speech.rate)


def _measured(match: Match) -> Profile:
    speech = speak_matched(match, _WORDS, SpeechSettings())
    return profile(speech.samples, speech.rate)


def speak_matched(match: Match, text: str, settings: SpeechSettings) -> Speech:
    """Speak plain ``text`` in a matched voice; ``settings`` come on top.

    Raises:
        VoiceError: The embedded voice failed.
    """
    base = match.base.removeprefix(f"{espeak_voices.ENGINE}:")
    bent = replace(settings, rate=settings.rate * match.rate, pitch=settings.pitch + match.pitch)
    speech = EspeakEngine().speak(text, base, bent)
    return replace(speech, samples=coloured(speech.samples, speech.rate, match.gains))


def coloured(samples: Samples, rate: int, gains: tuple[float, ...]) -> Samples:
    """``samples`` with ``gains`` in `BANDS`, as loud as before and not delayed."""
    if not any(gains) or not len(samples):
        return samples
    from scipy.signal import fftconvolve, firwin2

    top = rate / 2
    inside = [(b, g) for b, g in zip(BANDS, gains, strict=True) if b < 0.95 * top]
    points = [0.0, *(b for b, _ in inside), top]
    decibels = np.array([inside[0][1], *(g for _, g in inside), inside[-1][1]])
    taps = firwin2(_TAPS, points, 10 ** (decibels / 20), fs=rate)
    out = fftconvolve(samples, taps, mode="same")
    loudness = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) / (np.sqrt(np.mean(np.square(out))) + 1e-9)
    return np.asarray(out * loudness, np.float32)
