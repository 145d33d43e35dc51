"""Generated speech kept on disk, by text, voice and settings; the least recently used goes first."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from visema.message import from_json, to_json
from visema.paths import cache_dir
from visema.speech.cost import CostRecord, cost_of
from visema.speech.sound import Sound, let_go
from visema.speech.types import Span, Speech, SpeechSettings
from visema.types import Samples

_log = logging.getLogger(__name__)

#: Raise when speech made by this program would sound or be timed differently.
VERSION: Final = 2
#: Bytes of all kept speech: about 100 minutes; a speech of more than a tenth of it is not kept.
LIMIT: Final = 256 * 2**20
_SCALE: Final = 32767
#: Samples converted at once, which bounds memory.
_BLOCK: Final = 1 << 20


def _folder() -> Path:
    return cache_dir() / "speech"


def _path(text: str, voice: str, settings: SpeechSettings) -> Path:
    engine = _engine_version(voice)
    what = json.dumps([VERSION, engine, text, voice, asdict(settings)], sort_keys=True, ensure_ascii=False)
    return _folder() / f"{hashlib.sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.npz"


def _engine_version(voice: str) -> str:
    from importlib import metadata

    from visema.speech import own_voices
    from visema.speech.remote import catalogue

    engine, _, name = voice.partition(":")
    if engine in catalogue.NAMES:
        return catalogue.version(engine)
    if engine == own_voices.ENGINE:
        return own_voices.version(name)
    try:
        return metadata.version({"espeak": "espeakng-loader", "edge": "edge-tts"}.get(engine, engine))
    except metadata.PackageNotFoundError:
        return ""


def load(text: str, voice: str, settings: SpeechSettings) -> Speech | None:
    """The kept speech, or None; a damaged entry is removed with a line in the log."""
    path = _path(text, voice, settings)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            samples = stored["samples"]
            head = json.loads(stored["head"].tobytes().decode("utf-8"))
        speech = Speech(
            samples=_as_floats(_checked(samples)),
            rate=int(head["rate"]),
            words=_spans(head["words"]),
            phones=_spans(head["phones"]),
            text=text,
            voice=str(head["voice"]),
            notes=tuple(from_json(n) for n in head["notes"]),
            timing=str(head.get("timing", "")),
            cost=_cost(text, str(head["voice"]), len(samples) / int(head["rate"])),
        )
        if speech.rate <= 0 or (speech.phones and speech.phones[-1].end > speech.duration + 0.1):
            raise ValueError("times beyond its end")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as e:
        _log.warning("kept speech %s is damaged (%s): it is made again", path.name, e)
        _remove(path)
        return None
    try:
        os.utime(path)
    except OSError:
        _log.debug("the cache of speech is read-only: %s", path.parent)
    return speech


def _cost(text: str, voice: str, seconds: float) -> CostRecord | None:
    """Kept speech costs nothing, which is said where it would have cost."""
    from visema.speech.remote import catalogue

    engine = voice.partition(":")[0]
    return cost_of(engine, "", len(text), seconds, cached=True) if engine in catalogue.NAMES else None


def _checked(
    samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise ValueError("its sound is of another kind")
    return samples


def _as_floats(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Samples:
    sound = Sound()
    for i in range(0, len(samples), _BLOCK):
        sound.add(samples[i : i + _BLOCK].astype(np.float32) / np.float32(_SCALE))
    return sound.finish()


def _as_integers(samples: Samples) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    out = np.empty(len(samples), np.int16)
    for i in range(0, len(samples), _BLOCK):
        out[i : i + _BLOCK] = np.rint(samples[i : i + _BLOCK] * _SCALE)
        let_go(samples)
    return out


def _spans(rows: list[list[object]]) -> tuple[Span, ...]:
    spans = tuple(Span(float(str(a)), float(str(b)), str(label)) for a, b, label in rows)
    if any(s.end < s.start for s in spans) or any(b.start < a.start for a, b in pairwise(spans)):
        raise ValueError("its times are out of order")
    return spans


def store(speech: Speech, text: str, voice: str, settings: SpeechSettings) -> None:
    """Keep ``speech`` (16-bit samples), all or nothing; a full or read-only disk costs a line in the log."""
    if 2 * len(speech.samples) > LIMIT // 10:
        return
    path = _path(text, voice, settings)
    head = {
        "rate": speech.rate, "words": speech.words, "phones": speech.phones, "voice": speech.voice,
        "notes": [to_json(n) for n in speech.notes], "timing": speech.timing,
    }  # fmt: skip
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                samples=_as_integers(speech.samples),
                head=np.frombuffer(json.dumps(head).encode(), np.uint8),
            )
        Path(temporary).replace(path)
        temporary = None
        _prune(path.parent)
    except OSError as e:
        _log.warning("speech cannot be kept in %s (%s)", path.parent, e.strerror or e)
    finally:
        if temporary:
            _remove(Path(temporary))


def _prune(folder: Path) -> None:
    entries = []
    for entry in folder.glob("*.npz"):
        try:
            stat = entry.stat()
        except OSError:  # another process removed it
            continue
        entries.append((stat.st_mtime, stat.st_size, entry))
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries, key=lambda e: e[0]):
        if total <= LIMIT:
            break
        _remove(entry)
        total -= size


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as e:
        _log.debug("%s cannot be removed: %s", path, e)
