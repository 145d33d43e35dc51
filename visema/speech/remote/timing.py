"""When which word is said in a sound whose maker does not tell."""

from __future__ import annotations

import logging
from typing import Final, Literal

import numpy as np

from visema.message import Message
from visema.speech.edge_timing import Boundary
from visema.speech.espeak import EspeakEngine
from visema.speech.espeak_voices import nearest
from visema.speech.types import SpeechSettings
from visema.types import Samples

_log = logging.getLogger(__name__)

#: Sound above this share of the loudest is speech, for its first and last moment.
_LOUD: Final = 0.03
#: More of the words lost than this, and the alignment is not believed.
_MOST_MISSED: Final = 0.3

Way = Literal["aligned", "estimated"]


def word_times(samples: Samples, rate: int, text: str, language: str) -> tuple[list[Boundary], Way, str]:
    """Times of the words of ``text`` in the sound of it.

    Args:
        samples: (n,) mono.
        rate: Samples a second.
        text: What is said.
        language: BCP 47 tag of it.

    Returns:
        The words in order; whether they were found in the sound (``aligned``) or laid out by the embedded voice's
        durations between its first and last moment (``estimated``); and for the latter a sentence for the user.
    """
    found = _aligned(samples, rate, text, language)
    if found:
        return found, "aligned", ""
    note = Message("The words could not be found in the sound of this voice: their times are estimated.")
    _log.info(note)
    return _estimated(samples, rate, text, language), "estimated", note


def _aligned(samples: Samples, rate: int, text: str, language: str) -> list[Boundary]:
    from visema.hearing.align import align
    from visema.hearing.lexicon import is_english, lexicon
    from visema.hearing.signal import condition
    from visema.hearing.sphinx import Recogniser

    try:
        recogniser = Recogniser.borrow()
    except ImportError:
        return []
    words = lexicon(text, language, recogniser.knows)
    found = align(recogniser, condition(samples, rate), words, is_english(language)) if words else None
    recogniser.give_back()
    if found is None or found.missed > _MOST_MISSED * len(words):
        return []
    return [Boundary(w.start, w.end, w.label) for w in found.words]


def _estimated(samples: Samples, rate: int, text: str, language: str) -> list[Boundary]:
    loud = np.flatnonzero(np.abs(samples) > _LOUD * float(np.abs(samples).max(initial=0.0)))
    start, end = (loud[0] / rate, loud[-1] / rate) if len(loud) > 1 else (0.0, len(samples) / rate)
    model = EspeakEngine().speak(text, nearest(language, "Male").name.partition(":")[2], SpeechSettings()).words
    if not model:
        return []
    first, last = model[0].start, max(w.end for w in model)
    scale = (end - start) / max(last - first, 1e-3)
    return [Boundary(start + (s - first) * scale, start + (e - first) * scale, label) for s, e, label in model]
