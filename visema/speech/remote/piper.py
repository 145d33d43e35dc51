"""Piper, neural voices on this machine: its HTTP server at ``PIPER_URL``, or its program with voice files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import util
from pathlib import Path
from typing import Any, Final

from visema.errors import VoiceError
from visema.paths import cache_dir
from visema.speech.access import value_of
from visema.speech.edge import Unreachable
from visema.speech.remote import http
from visema.speech.remote.engine import RemoteEngine, Reply
from visema.speech.remote.http import Service, UnknownVoice, unknown_voice
from visema.speech.remote.sound import pcm, wav
from visema.speech.types import Voice

ADDRESS: Final = "PIPER_URL"
FOLDER: Final = "PIPER_VOICES"
_NAME: Final = re.compile(r"([a-z]{2,3})[_-]([A-Z]{2})-")


class Piper(RemoteEngine):
    """`SpeechEngine` of Piper; a voice is a file with its ``.json``, or a name that the server knows."""

    name = "piper"
    title = "Piper"
    rates = (0.4, 3.0)

    def __init__(self) -> None:
        self.cloud = False
        url = value_of(ADDRESS).rstrip("/")
        self.service = Service(self.title, url, variable=ADDRESS) if url else None
        self._old = False

    def voices(self) -> Sequence[Voice]:
        """The server's voices and those in the folder."""
        out = [self._voice(path.stem, path.stem, _config(path)) for path in _files()]
        if self.service:
            told = self.service.ask("GET", "/voices")
            try:
                out += [self._voice(name, name, config) for name, config in told.json().items()]
            except (ValueError, AttributeError, TypeError) as e:
                raise self.service.unusable() from e
        return list({voice.name: voice for voice in out}.values())

    def file_voice(self, path: Path) -> Voice:
        """The voice in a file.

        Raises:
            VoiceError: The file or what belongs to it is not there.
        """
        if not path.is_file() or not path.with_name(path.name + ".json").is_file():
            raise VoiceError(
                "There is no Piper voice in {path}.",
                "A voice is two files that lie together: NAME.onnx and NAME.onnx.json.",
                path=path,
            )
        return self._voice(str(path), path.stem, _config(path))

    def _voice(self, name: str, label: str, config: Mapping[str, Any]) -> Voice:
        return Voice(f"{self.name}:{name}", _language(label, config), "", f"{label} ({self.title})", cloud=self.cloud)

    def language(self, voice: str) -> str:
        """The one language that a voice speaks."""
        path = _file(voice)
        return _language(Path(voice).stem, _config(path) if path else {})

    def say(self, text: str, voice: str, rate: float, language: str) -> Reply:
        """By the program where the voice is a file here, else by the server."""
        path = _file(voice)
        if path:
            return self._by_program(text, path, rate)
        if not self.service:
            raise unknown_voice(self.title)
        body = {"text": text, "voice": voice, "length_scale": round(1 / rate, 3)}
        answer = None
        if not self._old:
            try:
                answer = self.service.ask("POST", "/synthesize", json=body)
            except UnknownVoice:  # releases before 1.4 answer at the root
                self._old = True
        if answer is None:
            answer = self.service.ask("POST", "/", json=body)
        try:
            return Reply(*wav(answer.body))
        except ValueError as e:
            raise self.service.unusable() from e

    def _by_program(self, text: str, path: Path, rate: float) -> Reply:
        command = program()
        if not command:
            raise VoiceError(
                "Piper's program is not installed.",
                "Install it (pip install piper-tts), or start its server and name it in {variable}.",
                variable=ADDRESS,
            )
        config = _config(path)
        try:
            sample_rate = int(config["audio"]["sample_rate"])
        except (KeyError, TypeError, ValueError) as e:
            raise VoiceError("The file {path}.json does not describe a voice.", "Fetch it again.", path=path) from e
        line = " ".join(text.split()) + "\n"  # a line is an utterance
        arguments = ["--model", str(path), "--output_raw", "--length_scale", f"{1 / rate:.3f}"]
        try:
            done = subprocess.run(
                [*command, *arguments],
                input=line.encode(),
                capture_output=True,
                timeout=http.PATIENCE.whole,
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise Unreachable(
                "{service} does not answer in time.", "Try it in smaller parts.", service=self.title
            ) from e
        except OSError as e:
            raise Unreachable("Piper's program cannot be run ({reason}).", "Install it anew.", reason=e) from e
        if done.returncode or not done.stdout:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise Unreachable(
                "Piper's program failed: {reason}",
                "Try it by hand with the same voice.",
                reason=said[-1][:200] if said else done.returncode,
            )
        return Reply(pcm(done.stdout), sample_rate)


def program() -> list[str]:
    """The command that runs Piper, or none."""
    found = shutil.which("piper")
    if found:
        return [found]
    return [sys.executable, "-m", "piper"] if util.find_spec("piper") else []


def folders() -> list[Path]:
    """Where voice files are looked for."""
    named = value_of(FOLDER)
    return [Path(named).expanduser()] if named else [cache_dir() / "voices" / "piper"]


def _files() -> list[Path]:
    return sorted(path for folder in folders() if folder.is_dir() for path in folder.glob("*.onnx"))


def _file(voice: str) -> Path | None:
    """The file that ``voice`` means: a path, or a name in the folders."""
    candidates: Iterable[Path] = (Path(voice).expanduser(), *(folder / f"{voice}.onnx" for folder in folders()))
    return next((path for path in candidates if path.suffix == ".onnx" and path.is_file()), None)


def _config(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.with_name(path.name + ".json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _language(label: str, config: Mapping[str, Any]) -> str:
    """``en-US`` from what the voice says of itself, else from its name ``en_US-lessac-medium``."""
    told = config.get("language") if isinstance(config, Mapping) else None
    code = str(told.get("code", "")) if isinstance(told, dict) else ""
    match = _NAME.match(label)
    return code.replace("_", "-") or (f"{match[1]}-{match[2]}" if match else "en-US")
