"""espeak-ng inside this process: text to sound and raw events, and text to IPA.

The library comes with the `espeakng-loader` wheel. It keeps its state in globals, so one lock serves the whole
process (unlocked threads abort it), and a fork waits until nobody is inside.
"""

from __future__ import annotations

import ctypes as c
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visema.errors import VoiceError

#: Words a minute at rate 1, and what the library accepts.
NORMAL_RATE: Final = 175
RATES: Final = (80, 450)
#: The library's pitch runs from 0 to 99 around 50. Measured on a male and a female voice: a semitone takes 5.3-6.1
#: steps upwards and 6.0-6.8 downwards.
NORMAL_PITCH: Final = 50
STEPS_UP: Final = 5.8
STEPS_DOWN: Final = 6.4

_SYNCHRONOUS, _PHONEME_EVENTS, _EVENTS_IN_IPA, _DONT_EXIT = 2, 1, 2, 0x8000
_UTF8, _READ_PHONEMES = 1, 0x100
_RATE, _PITCH = 1, 3
_END, _WORD, _PHONEME = 0, 1, 7
_LABEL_BYTES: Final = 8


class _EventId(c.Union):
    _fields_ = (("number", c.c_int), ("name", c.c_void_p), ("string", c.c_ubyte * _LABEL_BYTES))


class _Event(c.Structure):
    _fields_ = (
        ("type", c.c_int), ("unique_identifier", c.c_uint), ("text_position", c.c_int), ("length", c.c_int),
        ("audio_position", c.c_int), ("sample", c.c_int), ("user_data", c.c_void_p), ("id", _EventId),
    )  # fmt: skip


class _Voice(c.Structure):
    _fields_ = (
        ("name", c.c_char_p), ("languages", c.c_void_p), ("identifier", c.c_char_p), ("gender", c.c_ubyte),
        ("age", c.c_ubyte), ("variant", c.c_ubyte), ("xx1", c.c_ubyte), ("score", c.c_int), ("spare", c.c_void_p),
    )  # fmt: skip


_Callback = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(_Event))


class Event(NamedTuple):
    """Something that begins at a sample of the sound.

    Attributes:
        sample: Where in the sound.
        label: IPA of a phone, empty for a gap; None for the beginning of a word.
        position: Index of the character of the text that it belongs to.
    """

    sample: int
    label: str | None
    position: int


@dataclass(frozen=True)
class Utterance:
    """What the library made of a text: (n,) int16 samples, their rate, and the events in order."""

    samples: NDArray[np.int16]
    rate: int
    events: tuple[Event, ...]


class VoiceFile(NamedTuple):
    """A voice of the library: its English name, language codes (best first) and identifier such as ``gmw/en``."""

    name: str
    languages: tuple[str, ...]
    identifier: str


class EspeakLibrary:
    """The loaded library. Use `library()`, which keeps one for the process.

    Raises:
        VoiceError: The library or its data cannot be loaded.
    """

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._lib = c.CDLL(espeakng_loader.get_library_path())
            self.data = Path(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as e:
            raise VoiceError(
                "The embedded voice cannot be loaded ({reason}).",
                "Reinstall it: pip install --force-reinstall espeakng-loader",
                reason=e,
            ) from e
        self.lock = threading.RLock()
        self._voice = ""
        self._pcm: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, bytes | None, int]] = []
        self._declare()
        options = _PHONEME_EVENTS | _EVENTS_IN_IPA | _DONT_EXIT
        self.rate = int(self._lib.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(self.data), options))
        if self.rate <= 0:
            raise VoiceError(
                "The embedded voice's data cannot be read.",
                "Reinstall it: pip install --force-reinstall espeakng-loader",
            )
        self._callback = _Callback(self._receive)  # the library keeps a bare pointer: this reference keeps it alive
        self._lib.espeak_SetSynthCallback(self._callback)
        # Breath and echo are noise, seeded by the clock unless told otherwise: now a process that makes the same calls
        # gets the same sound. From call to call the phase of the voice's flutter runs on, and moves events by up to 10
        # ms (one cycle of the voice).
        if hasattr(self._lib, "espeak_ng_SetRandSeed"):
            self._lib.espeak_ng_SetRandSeed(c.c_long(1))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self.lock.acquire, after_in_parent=self.lock.release, after_in_child=self.lock.release
            )

    def _declare(self) -> None:
        lib = self._lib
        lib.espeak_Initialize.argtypes = [c.c_int, c.c_int, c.c_char_p, c.c_int]
        lib.espeak_Synth.argtypes = [
            c.c_char_p, c.c_size_t, c.c_uint, c.c_int, c.c_uint, c.c_uint, c.c_void_p, c.c_void_p,
        ]  # fmt: skip
        lib.espeak_SetVoiceByName.argtypes = [c.c_char_p]
        lib.espeak_ListVoices.argtypes = [c.c_void_p]
        lib.espeak_ListVoices.restype = c.POINTER(c.POINTER(_Voice))
        lib.espeak_TextToPhonemes.argtypes = [c.POINTER(c.c_char_p), c.c_int, c.c_int]
        lib.espeak_TextToPhonemes.restype = c.c_char_p

    def _receive(self, wave: Any, n: int, events: Any) -> int:
        if wave and n > 0:
            self._pcm.append(np.ctypeslib.as_array(wave, (n,)).copy())
        i = 0
        while (event := events[i]).type != _END:
            if event.type == _PHONEME:
                self._events.append((event.sample, bytes(event.id.string), event.text_position))
            elif event.type == _WORD:
                self._events.append((event.sample, None, event.text_position))
            i += 1
        return 0

    def _choose(self, voice: str) -> None:
        if voice != self._voice:
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                self._voice = ""
                raise VoiceError(
                    "There is no embedded voice '{voice}'.", "See --list-voices for the names.", voice=voice
                )
            self._voice = voice

    def synthesize(
        self,
        text: str,
        voice: str,
        *,
        rate: float = 1.0,
        pitch: float = 0.0,
        read_phonemes: bool = False,
    ) -> Utterance:
        """Speak ``text``.

        Args:
            text: Plain text, a few sentences: the lock is held until all of it is spoken.
            voice: Name that the library knows, with or without a variant.
            rate: Speed factor.
            pitch: Semitones up or down.
            read_phonemes: Take ``[[...]]`` in the text as the library's phoneme names.

        Raises:
            VoiceError: The voice is unknown, or the library failed.
        """
        text = text.replace("\0", " ")
        data = text.encode("utf-8", "replace") + b"\0"
        flags = _UTF8 | (_READ_PHONEMES if read_phonemes else 0)
        words = int(np.clip(round(NORMAL_RATE * rate), *RATES))
        height = int(np.clip(round(NORMAL_PITCH + (STEPS_UP if pitch > 0 else STEPS_DOWN) * pitch), 0, 99))
        with self.lock:
            self._pcm, self._events = [], []
            self._choose(voice)
            self._lib.espeak_SetParameter(_RATE, words, 0)
            self._lib.espeak_SetParameter(_PITCH, height, 0)
            if self._lib.espeak_Synth(data, len(data), 0, 1, 0, flags, None, None) != 0:
                raise VoiceError("The embedded voice could not speak this text.", "Try it in smaller parts.")
            pcm, raw = self._pcm, self._events
            self._pcm, self._events = [], []
            # A phone's name is cut at 8 bytes: only then it is worth a second look at the whole names.
            cut = any(label is not None and 0 not in label for _, label, _ in raw)
            names = self._names(data) if cut else ()
        samples = np.concatenate(pcm) if pcm else np.zeros(0, np.int16)
        events = tuple(
            Event(sample, None if label is None else whole_name(label, names), max(position - 1, 0))
            for sample, label, position in raw
        )
        return Utterance(samples, self.rate, events)

    def _names(self, data: bytes) -> tuple[str, ...]:
        return tuple(
            part for clause in self._clauses(data, "_") for part in clause.replace(" ", "_").split("_") if part
        )

    def _clauses(self, data: bytes, separator: str = "") -> list[str]:
        # Bit 1: IPA. Bits 8 and up: a character between phones.
        mode = 2 | (ord(separator) << 8 if separator else 0)
        rest = c.c_char_p(data)
        out = []
        while rest.value is not None:
            clause = self._lib.espeak_TextToPhonemes(c.byref(rest), _UTF8, mode)
            out.append((clause or b"").decode("utf-8", "ignore").strip())
        return out

    def ipa(self, text: str, voice: str, separator: str = "") -> str:
        """IPA of ``text``, words apart by spaces and clauses by line ends; ``separator`` goes between phones.

        Raises:
            VoiceError: The voice is unknown.
        """
        data = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        with self.lock:
            self._choose(voice)
            return "\n".join(filter(None, self._clauses(data, separator)))

    @lru_cache(maxsize=1)  # noqa: B019  # one library lives as long as the process
    def voice_files(self) -> tuple[VoiceFile, ...]:
        """Every voice of the library whose dictionary is there."""
        out = []
        with self.lock:
            entries = self._lib.espeak_ListVoices(None)
            i = 0
            while entries[i]:
                voice = entries[i].contents
                name = (voice.name or b"").decode("utf-8", "replace").strip()
                identifier = (voice.identifier or b"").decode("utf-8", "replace")
                found = VoiceFile(name, _languages(voice.languages), identifier)
                if self._has_dictionary(found):
                    out.append(found)
                i += 1
        return tuple(out)

    def _has_dictionary(self, voice: VoiceFile) -> bool:
        """False for the few voices that the wheel lists without their words, and which fail when they speak."""
        try:
            lines = (self.data / "lang" / voice.identifier).read_text("utf-8", "replace").splitlines()
        except OSError:
            return True
        given = {words[0]: words[1] for words in map(str.split, lines) if len(words) > 1}
        dictionary = given.get("dictionary") or (given.get("language") or voice.identifier).split("-")[0]
        return (self.data / f"{dictionary}_dict").exists()

    @lru_cache(maxsize=1)  # noqa: B019  # one library lives as long as the process
    def variants(self) -> frozenset[str]:
        """Names that may follow the ``+`` of a voice; the library takes any other name without a word."""
        folder = self.data / "voices" / "!v"
        return frozenset(p.name for p in folder.iterdir()) if folder.is_dir() else frozenset()


def _languages(pointer: int | None) -> tuple[str, ...]:
    """Decode the library's list: a priority byte and a NUL-ended code, again and again, then a NUL."""
    out = []
    while pointer:
        entry = c.string_at(pointer)
        if not entry:
            break
        out.append(entry[1:].decode("ascii", "replace"))
        pointer += len(entry) + 1
    return tuple(out)


def whole_name(raw: bytes, names: tuple[str, ...] = ()) -> str:
    """A phone's name from the 8 bytes of its event, completed from ``names`` where the bytes end too early."""
    name = raw.split(b"\0", 1)[0].decode("utf-8", "ignore")
    if 0 not in raw:
        name = min((n for n in names if n.startswith(name)), key=len, default=name)
    # French names some vowels as "e-".
    return name.rstrip("-")


_guard = threading.Lock()
_library: EspeakLibrary | None = None


def library() -> EspeakLibrary:
    """The process's library, loaded at first use (2-7 ms).

    Raises:
        VoiceError: It cannot be loaded.
    """
    global _library
    with _guard:
        if _library is None:
            _library = EspeakLibrary()
        return _library
