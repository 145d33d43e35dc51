"""`--check`: what works on this machine, line by line, by really trying it."""

from __future__ import annotations

import os
import platform
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata, util
from pathlib import Path

from visema.errors import VisemaError
from visema.paths import ASSETS, cache_dir, explain_os_error

#: The network may take this long; what takes longer is as good as absent.
NETWORK_S = 5.0
#: A film of a minute takes 10 MB, an avatar 20.
LEAST_DISK_BYTES = 500 << 20
#: Distribution and module of the base install that the main job cannot do without.
NEEDED = ("numpy", "cv2", "av", "mediapipe", "espeakng_loader", "scipy")
USEFUL = {
    "gradio": "the page",
    "edge_tts": "neural voices",
    "phonemizer": "better pronunciation",
    "pocketsphinx": "timing of recordings",
    "pydub": "pauses",
    "pygame": "sound and window",
    "tqdm": "progress bars",
}
#: Engines of other services and programs, by what they are called here.
REMOTE = (("ElevenLabs", "elevenlabs"), ("OpenAI voice", "openai"), ("Coqui XTTS", "coqui"), ("Piper", "piper"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox", "msedge")


class Lacking(Exception):
    """Something does not work; the text says what comes of it."""


@dataclass(frozen=True)
class Check:
    """One line.

    Attributes:
        name: What is looked at.
        look: Tries it and says what was found; raises when it does not work.
        needed: True when the main job cannot run without it.
    """

    name: str
    look: Callable[[], str]
    needed: bool = False


def check(offline: bool = False) -> int:
    """Print a line for everything; exit code 0 when the main job can run, else 2."""
    missing = run_checks(base_checks(offline))
    if missing:
        print(f"\nThe main job cannot run here: {', '.join(missing)}.")
        return 2
    print("\nThe main job can run here.")
    return 0


def base_checks(offline: bool) -> tuple[Check, ...]:
    """What the main job needs, and what it can use."""
    return (
        Check("Python", _python, needed=True),
        Check("packages", _packages, needed=True),
        Check("extras", _extras),
        Check("embedded voice", _embedded_voice, needed=True),
        Check("network voice", _not_asked if offline else _network_voice),
        *(Check(title, partial(_remote_voice, name, offline)) for title, name in REMOTE),
        Check("face detection", _face_detection, needed=True),
        Check("codecs", _codecs, needed=True),
        Check("sound", _sound),
        Check("screen", _screen),
        Check("browser", _browser),
        Check("GPU", _gpu),
        Check("disk", _disk, needed=True),
        Check("cache", _cache, needed=True),
    )


def run_checks(checks: Iterable[Check]) -> list[str]:
    """Print a line for each; the names of those that are needed and do not work."""
    missing = []
    for line in checks:
        try:
            found, works = line.look(), True
        except (Lacking, VisemaError, ImportError, OSError, RuntimeError, ValueError) as e:
            found, works = str(e) or type(e).__name__, False
        mark = "ok" if works else ("MISSING" if line.needed else "no")
        print(f"{line.name:<15} {mark:<8} {found}", flush=True)
        if not works and line.needed:
            missing.append(line.name)
    return missing


def _python() -> str:
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if not (3, 10) <= sys.version_info[:2] < (3, 13):
        raise Lacking(f"{version}; Visema needs Python 3.10, 3.11 or 3.12")
    return version


def _packages() -> str:
    lacking = [name for name in NEEDED if util.find_spec(name) is None]
    if lacking:
        raise Lacking(f"{', '.join(lacking)} not installed; run ./run.sh, which installs what is missing")
    shown = ("mediapipe", "opencv-python", "av", "numpy")
    return ", ".join(f"{name} {_version(name)}" for name in shown)


def _extras() -> str:
    lacking = [f"{name} ({use})" for name, use in USEFUL.items() if util.find_spec(name) is None]
    if lacking:
        raise Lacking(f"not installed: {', '.join(lacking)}")
    return ", ".join(USEFUL)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(other build)"


def _embedded_voice() -> str:
    from visema.speech.speak import speak
    from visema.speech.voices import list_voices

    speech = speak("Hello.", "espeak:en-us", offline=True, cache=False)
    languages = {v.language.split("-")[0] for v in list_voices(offline=True) if not v.cloud}
    return f"spoke {speech.duration:.1f} s; {len(languages)} languages"


def _not_asked() -> str:
    raise Lacking("not asked (--offline)")


def _network_voice() -> str:
    """Bounded in time, whatever the network does: a daemon thread asks, so that nobody waits for it at the end."""
    from visema.speech.edge import fetch_voices

    answers: queue.Queue[int | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(len(fetch_voices()))
        except Exception as e:  # handed over to the thread that waits
            answers.put(e)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=NETWORK_S)
    except queue.Empty:
        raise Lacking(f"no answer within {NETWORK_S:g} s; the embedded voice speaks") from None
    if not isinstance(answer, int) or answer == 0:
        raise Lacking(f"not reached; the embedded voice speaks{f' ({answer})' if answer else ''}")
    return f"{answer} voices"


def _remote_voice(name: str, offline: bool) -> str:
    """Whether an engine is set up, and answers; a key is tried, nothing is spoken and nothing is charged."""
    from visema.speech.remote import catalogue
    from visema.speech.remote.http import Patience, patience

    missing = catalogue.why_not(name)
    if missing:
        raise Lacking(str(missing))
    engine = catalogue.engine(name)
    if offline and engine.cloud:
        return "set up; not asked (--offline)"
    with patience(Patience(connect=3.0, silence=NETWORK_S, whole=NETWORK_S, tries=1)):
        return f"{engine.probe()}, model {engine.model}" if engine.model else engine.probe()


def _face_detection() -> str:
    from visema.face.landmarks import MediaPipeLandmarker
    from visema.media.image import read_image

    picture = ASSETS / "presenter.png"
    if not picture.is_file():
        raise Lacking(f"{picture} is missing; restore it from the repository")
    with MediaPipeLandmarker() as landmarker:
        faces = landmarker.find(read_image(picture))
    if not faces:
        raise Lacking(f"no face was found in {picture.name}, where there is one")
    return f"found the face of {picture.name}"


def _codecs() -> str:
    import numpy as np

    from visema.media.encode import Mp4Writer
    from visema.media.video import VideoReader

    with tempfile.TemporaryDirectory(prefix="visema-check-") as folder:
        path = Path(folder) / "check.mp4"
        with Mp4Writer(path, (64, 64), 25, 22050) as writer:
            for _ in range(5):
                writer.write_audio(np.zeros(882, np.float32))
                writer.write(np.full((96, 64), 128, np.uint8))
        with VideoReader(path) as reader:
            read = sum(1 for _ in reader)
    if read != 5:
        raise Lacking(f"5 pictures were written, {read} read")
    return "H.264 and AAC written and read"


def _sound() -> str:
    from visema.stage.playback import sound_device

    return sound_device()


def _screen() -> str:
    from visema.stage.playback import has_screen

    if not has_screen():
        raise Lacking("none; films are saved instead of shown")
    return "a window can be opened"


def _browser() -> str:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found:
        return found
    try:
        return webbrowser.get().name
    except (webbrowser.Error, AttributeError):
        raise Lacking("none was found; open the page's address from another machine") from None


def _gpu() -> str:
    if util.find_spec("torch") is not None:
        torch = import_module("torch")
        if torch.cuda.is_available():
            return f"{torch.cuda.get_device_name(0)}, used by neural engines"
        return "none that torch can use; nothing here needs one"
    program = shutil.which("nvidia-smi")
    if program:
        command = [program, "--query-gpu=name", "--format=csv,noheader"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        except (subprocess.SubprocessError, OSError) as e:
            raise Lacking(f"nvidia-smi fails ({e}); nothing here needs one") from e
        return f"{said.splitlines()[0].strip()}; neural engines need the extra 'neural'"
    raise Lacking("none; nothing here needs one")


def _disk() -> str:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 2**30:.1f} GB free"
    if free < LEAST_DISK_BYTES:
        raise Lacking(f"{text}; free at least {LEAST_DISK_BYTES >> 20} MB")
    return text


def _cache() -> str:
    folder = cache_dir()
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    except OSError as e:
        raise explain_os_error(e, folder) from e
    finally:
        if made:
            folder.rmdir()
    return f"{folder}, {size / 2**20:.0f} MB"
