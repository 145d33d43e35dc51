"""What all stages of a process share: threads that draw, threads that wait for voices, seats, and counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from visema.live.metrics import Metrics
from visema.live.pool import Pool
from visema.live.seats import Seats
from visema.speech.types import Speech, SpeechSettings

#: Makes speech of a text, voice and settings.
Speaker = Callable[[str, str, SpeechSettings], Speech]
#: Voices that are waited for at once; most of them for the network.
VOICES = 16


def speaker(*, offline: bool = False) -> Speaker:
    """The product's own voices. What the network spoke is kept on disk; the embedded voice is as quick as the disk."""
    from visema.speech.speak import speak

    def made(text: str, voice: str, settings: SpeechSettings) -> Speech:
        kept = not offline and not voice.startswith("espeak:")
        return speak(text, voice, settings, offline=offline, cache=kept)

    return made


@dataclass
class Crew:
    """Shared by all stages.

    Attributes:
        speak: Makes the speech.
        seats: Who may talk.
        metrics: What was measured.
        pool: Draws and sends.
        voices: Threads that make speech.
        now: The clock under every media time.
    """

    speak: Speaker = field(default_factory=speaker)
    seats: Seats = field(default_factory=Seats)
    metrics: Metrics = field(default_factory=Metrics)
    pool: Pool = field(default_factory=Pool)
    voices: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(VOICES, "voice"))
    now: Callable[[], float] = time.monotonic

    def warm(self) -> None:
        """Load what the first words would wait for: the embedded voice, and what changes rates."""
        import numpy as np

        from visema.live.opus import OpusStream, available
        from visema.media.audio import resample
        from visema.speech.espeak import EspeakEngine
        from visema.visemes.plan import plan

        speech = EspeakEngine().speak("One two.", "en-us", SpeechSettings())
        plan(speech, 25)
        sound = resample(speech.samples, speech.rate, 24_000)
        if available():
            OpusStream().feed(np.asarray(sound))

    def close(self) -> None:
        """Send everybody home; speech that is being made is thrown away."""
        self.pool.close()
        self.voices.shutdown(wait=False, cancel_futures=True)


_shared: Crew | None = None
_making = threading.Lock()


def shared_crew() -> Crew:
    """The crew of stages that were opened without one, made at first use."""
    global _shared
    with _making:
        if _shared is None:
            _shared = Crew()
        return _shared
