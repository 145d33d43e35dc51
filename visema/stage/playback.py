"""Sound on this machine's loudspeaker, and a finished film in a window."""

from __future__ import annotations

import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from visema.errors import VisemaError
from visema.speech.types import Speech
from visema.types import Image, Samples

log = logging.getLogger(__name__)

TITLE = "Visema"
#: ffplay opens the sound device about so long after it is started.
FFPLAY_START_S = 0.25


def has_screen() -> bool:
    """True where a window can be expected to open."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def wav_bytes(samples: Samples, rate: int) -> bytes:
    """Mono 16-bit WAV of (n,) float32 samples."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return data.getvalue()


class LocalClock:
    """Plays the sound by pygame's mixer, by ffplay where that fails, and tells how much was heard.

    With neither the time passes in silence, and a warning says so. SDL's ``dummy`` driver counts as a device.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._mixer = False
        self._ffplay: subprocess.Popen[bytes] | None = None
        self._sound: Path | None = None

    def start(self, speech: Speech) -> None:
        """Begin to play."""
        wav = wav_bytes(speech.samples, speech.rate)
        if not self._start_mixer(wav, speech.rate) and not self._start_ffplay(wav):
            log.warning("No sound device was found; the speech is shown without sound.")
        self._began = time.monotonic()

    def _start_mixer(self, wav: bytes, rate: int) -> bool:
        try:
            import pygame

            pygame.mixer.init(frequency=rate, size=-16, channels=1, buffer=512)
            pygame.mixer.music.load(io.BytesIO(wav), "wav")
            pygame.mixer.music.play()
        except (ImportError, OSError, RuntimeError) as e:  # pygame.error is a RuntimeError
            log.info("pygame cannot play: %s", e)
            return False
        self._mixer = True
        return True

    def _start_ffplay(self, wav: bytes) -> bool:
        program = shutil.which("ffplay")
        if program is None:
            return False
        descriptor, name = tempfile.mkstemp(prefix="visema-", suffix=".wav")
        with os.fdopen(descriptor, "wb") as file:
            file.write(wav)
        self._sound = Path(name)
        command = [program, "-nodisp", "-autoexit", "-loglevel", "error", name]
        try:
            self._ffplay = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as e:
            log.info("ffplay cannot play: %s", e)
            self._sound.unlink(missing_ok=True)
            return False
        return True

    def time(self) -> float | None:
        """Seconds heard."""
        if self._began is None:
            return None
        passed = time.monotonic() - self._began
        if self._mixer:
            import pygame

            heard = pygame.mixer.music.get_pos() / 1000
            # The mixer says -1 when it has played everything, or nothing yet.
            return heard if heard >= 0 else passed
        return max(0.0, passed - FFPLAY_START_S) if self._ffplay else passed

    def stop(self) -> None:
        """Silence the sound and give the device back."""
        if self._mixer:
            import pygame

            pygame.mixer.music.stop()
            pygame.mixer.quit()
            self._mixer = False
        if self._ffplay:
            self._ffplay.terminate()
            self._ffplay.wait()
            self._ffplay = None
        if self._sound:
            self._sound.unlink(missing_ok=True)
            self._sound = None


def play_film(path: Path, *, sound: bool = True) -> bool:
    """Play an mp4 in a window until it ends, the window is closed, or Escape is pressed.

    Returns:
        False when no window can be opened here.
    """
    from visema.media.audio import read_audio
    from visema.media.video import VideoReader
    from visema.stage.clock import Clock, WallClock

    with VideoReader(path) as reader:
        window = _Window.open(reader.info.size)
        if window is None:
            return False
        frame_s = float(1 / reader.info.fps)
        clock: Clock = LocalClock() if sound else WallClock()
        try:
            clock.start(Speech(*read_audio(path)))
            for number, image in enumerate(reader.bgr()):
                wait = number * frame_s - (clock.time() or 0.0)
                if wait < -frame_s:
                    continue  # late: leave pictures out, never hold up the sound
                if wait > 0:
                    time.sleep(wait)
                if not window.show(image):
                    break
        finally:
            clock.stop()
            window.close()
    return True


class _Window:
    """A pygame window of the film's size, or of what fits on the screen."""

    def __init__(self, size: tuple[int, int]) -> None:
        import pygame

        self._pygame = pygame
        pygame.display.init()
        screen = pygame.display.Info()
        scale = min(1.0, 0.9 * screen.current_w / size[0], 0.9 * screen.current_h / size[1])
        self._size = (round(size[0] * scale), round(size[1] * scale))
        self._surface = pygame.display.set_mode(self._size)
        pygame.display.set_caption(TITLE)

    @classmethod
    def open(cls, size: tuple[int, int]) -> _Window | None:
        """A window, or None where none can be opened."""
        try:
            return cls(size)
        except (ImportError, OSError, RuntimeError) as e:
            log.info("No window can be opened: %s", e)
            return None

    def show(self, image: Image) -> bool:
        """Show a picture; False once the user has closed the window."""
        pygame = self._pygame
        height, width = image.shape[:2]
        picture = pygame.image.frombuffer(np.ascontiguousarray(image).tobytes(), (width, height), "BGR")
        if self._size != (width, height):
            picture = pygame.transform.smoothscale(picture, self._size)
        self._surface.blit(picture, (0, 0))
        pygame.display.flip()
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                return False
        return True

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()


def sound_device() -> str:
    """What plays sound on this machine, in words.

    Raises:
        VisemaError: Nothing does.
    """
    try:
        import pygame

        pygame.mixer.init()
        driver = os.environ.get("SDL_AUDIODRIVER", "")
        pygame.mixer.quit()
        return f"pygame{f' ({driver})' if driver else ''}"
    except (ImportError, OSError, RuntimeError) as e:
        if shutil.which("ffplay"):
            return "ffplay"
        raise VisemaError(f"no sound device ({e})", "Files and the page still have sound.") from e
