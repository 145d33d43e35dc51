"""pocketsphinx, the recogniser whose English model is in its package, behind three questions.

Where in this sound are these words (`Recogniser.align`); which words are they (`dictate`); which sounds (`phones`)?
Times are corrected and relative to the samples given. Samples come from `visema.hearing.signal.condition`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from visema.hearing.signal import DITHER, RATE
from visema.speech.types import Span
from visema.types import Samples

log = logging.getLogger(__name__)

#: Quiet before and after, for a sentence cut tightly begins and ends in the middle of what the recogniser looks for.
PAD: Final = 0.2
#: A frame's window is 25.6 ms long and starts at the frame's time: its middle lies this far behind the frame's own.
#: Against known times of a synthesiser the agreement is best at 8-10 ms (85 % of frames; 81 % without).
DELAY: Final = 0.0078
_FRAME: Final = 0.01
_SILENCE: Final = ("SIL", "<", "+", "[", "(NULL)")
# Not more than so many states at once: twice the speed for the same words.
_MAX_STATES: Final = 3000


class HeardWord(NamedTuple):
    """A word found in the sound.

    Attributes:
        label: As in the dictionary, without the number of its variant.
        phones: Its ARPAbet phones, in seconds.
        score: Mean log likelihood a frame against the best state; about -20 where the word is right.
    """

    label: str
    phones: tuple[Span, ...]
    score: float


def _is_silence(label: str) -> bool:
    return label.startswith(_SILENCE)


def _seconds(frame: int) -> float:
    return frame * _FRAME + DELAY - PAD


class Recogniser:
    """Decoders over one acoustic model, made when first asked for. Not for use from two threads at once.

    Every answer depends on the samples alone: the decoders keep nothing from one utterance to the next.
    """

    def __init__(self) -> None:
        import pocketsphinx

        self._model = f"{pocketsphinx.get_model_path()}/en-us"
        self._make = pocketsphinx.Decoder
        self._decoders: dict[str, Any] = {}
        self._taught = False

    @classmethod
    def borrow(cls) -> Recogniser:
        """One that nobody else uses, with its models loaded where one was given back: that saves .6 s."""
        try:
            return _idle.pop()
        except IndexError:
            return cls()

    def give_back(self) -> None:
        """Leave it for the next who borrows, unless it was taught words that others may speak otherwise."""
        if not self._taught and not _idle:
            _idle.append(self)

    def _decoder(self, name: str) -> Any:
        if name not in self._decoders:
            options: dict[str, dict[str, object]] = {
                "align": {"lm": None, "bestpath": False, "beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60},
                "dictate": {"lm": f"{self._model}/en-us.lm.bin", "maxhmmpf": _MAX_STATES},
                "phones": {
                    "allphone": f"{self._model}/en-us-phone.lm.bin", "lw": 2.0, "beam": 1e-20, "pbeam": 1e-20,
                },
            }  # fmt: skip
            self._decoders[name] = self._make(
                hmm=f"{self._model}/en-us",
                dict=f"{self._model}/cmudict-en-us.dict",
                cmn="batch",
                loglevel="FATAL",
                **options[name],
            )
        # or the loudness of what it heard before would colour what it hears now
        self._decoders[name].reinit_feat()
        return self._decoders[name]

    def knows(self, word: str) -> bool:
        """Whether a word, lower case, is in the dictionary."""
        return self._decoder("align").lookup_word(word) is not None

    def teach(self, word: str, phones: Sequence[str]) -> None:
        """Add a word with its ARPAbet phones to the dictionary of `align`."""
        if not self.knows(word):
            self._taught = True
            self._decoder("align").add_word(word, " ".join(phones), True)

    def locate(self, samples: Samples, words: Sequence[str], anywhere: bool = False) -> tuple[int, int]:
        """Which of ``words`` are in the sound.

        Args:
            samples: (n,) at `RATE`.
            words: In the dictionary; the sound holds the first ones, or some in a row.
            anywhere: They need not be the first.

        Returns:
            Range of indices, empty where they do not fit.
        """
        decoder = self._decoder("align")
        n = len(words)
        if not n or not len(samples):
            return 0, 0
        # A chain of all words that may be left after any of them, and entered before any.
        steps = [(i, i + 1, 1.0, w) for i, w in enumerate(words)] + [(i, n, 1.0) for i in range(1, n)]
        start = n + 1 if anywhere else 0
        steps += [(start, i, 1.0) for i in range(n)] if anywhere else []
        decoder.add_fsg("part", decoder.create_fsg("part", start, n, steps))
        decoder.activate_search("part")
        _decode(decoder, _pcm(samples))
        found = [_plain(s.word) for s in decoder.seg() or () if not _is_silence(s.word)]
        first = next((i for i in range(n) if list(words[i : i + len(found)]) == found), -1)
        return (first, first + len(found)) if found and first >= 0 else (0, 0)

    def align(self, samples: Samples, words: Sequence[str]) -> list[HeardWord] | None:
        """Find where ``words`` are spoken, all of them.

        Args:
            samples: (n,) at `RATE`.
            words: In the dictionary.

        Returns:
            One for each word, in order, or None where they do not fit the sound.
        """
        decoder = self._decoder("align")
        if not words or not len(samples):
            return None
        pcm = _pcm(samples)
        decoder.set_align_text(" ".join(words))
        _decode(decoder, pcm)
        if decoder.hyp() is None:
            return None
        try:
            decoder.set_alignment()
            # Never ask for the segments of this second pass: the library crashes; the alignment itself is safe.
            _decode(decoder, pcm)
        except RuntimeError as e:
            log.debug("the words do not fit the sound: %s", e)
            return None
        alignment = decoder.get_alignment()
        found = [
            _word(w.name, [(p.name, p.start, p.duration, p.score) for p in w])
            for w in alignment
            if not _is_silence(w.name)
        ]
        return found if len(found) == len(words) else None

    def dictate(self, samples: Samples) -> list[tuple[str, float]]:
        """The most likely words, with how sure each is in [0, 1]."""
        decoder = self._decoder("dictate")
        _decode(decoder, _pcm(samples))
        return [(_plain(s.word), float(s.prob)) for s in decoder.seg() or () if not _is_silence(s.word)]

    def phones(self, samples: Samples) -> list[Span]:
        """The most likely ARPAbet phones; pauses are left out."""
        decoder = self._decoder("phones")
        _decode(decoder, _pcm(samples))
        return [
            Span(_seconds(s.start_frame), _seconds(s.end_frame + 1), s.word)
            for s in decoder.seg() or ()
            if not _is_silence(s.word)
        ]


#: At most one is kept, about 150 MB.
_idle: list[Recogniser] = []


def _plain(word: str) -> str:
    """``read(2)`` is a variant of ``read``."""
    return word.split("(", 1)[0]


def _word(name: str, phones: Sequence[tuple[str, int, int, int]]) -> HeardWord:
    spans = tuple(
        Span(_seconds(start), _seconds(start + duration), phone)
        for phone, start, duration, _ in phones
        if not _is_silence(phone)
    )
    frames = sum(duration for _, _, duration, _ in phones)
    score = sum(score for *_, score in phones) / frames if frames else -math.inf
    return HeardWord(_plain(name), spans, score)


def _pcm(samples: Samples) -> bytes:
    quiet = np.random.default_rng(1).standard_normal(round(PAD * RATE), np.float32) * np.float32(DITHER)
    pcm: bytes = (np.concatenate([quiet, samples, quiet]).clip(-1, 1) * 32767).astype("<i2").tobytes()
    return pcm


def _decode(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
