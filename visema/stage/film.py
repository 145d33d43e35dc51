"""A photo and words, or a recording, become a film: the second way in, without an avatar in between.

The face is measured once. What it does follows the speech, from the first picture to the last, instead of a loop
that repeats. Engines that bring a photo to life in a way of their own go by way of an avatar.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from visema.errors import Cancelled, FaceError, InputError
from visema.media.encode import Mp4Writer
from visema.message import Message
from visema.mouth.engine import EMBEDDED, LearnsByDrawing, MakesLoops, MouthEngine, NeedsWeights, mouth_engine
from visema.mouth.heard import Heard
from visema.portrait.expression import Expression, wear
from visema.portrait.living import bring_to_life
from visema.portrait.loop import bounded
from visema.portrait.prosody import measure_prosody
from visema.portrait.speaking import DEFAULT_STYLE, STYLES, seed_of, speaking_motion
from visema.provenance import Mark, facts_of
from visema.speech.types import Speech, SpeechSettings
from visema.stage.compositor import Compositor
from visema.stage.framing import Framing, check_shape, choose_framing
from visema.stage.label import draw_label
from visema.stage.mark import draw_mark
from visema.stage.render import MAX_FPS, MIN_FPS, check_output, frame_count, render_file, with_tail
from visema.types import Box, FloatArray, Image
from visema.visemes.plan import Plan, plan
from visema.visemes.track import VisemeTrack

log = logging.getLogger(__name__)

#: Takes the stage and the share of the whole film that is done, 0 to 1; the share never falls.
FilmProgress = Callable[[str, float], None]
#: The stages in their order; a film is spoken or listened to, not both.
STAGES: Final = ("reading", "speaking", "listening", "drawing", "done")
#: Share done when a stage begins.
_BEGINS: Final = {"reading": 0.0, "speaking": 0.05, "listening": 0.05, "drawing": 0.35, "done": 1.0}
DEFAULT_FPS: Final = 25.0
DEFAULT_VOICE: Final = "en-US-JennyNeural"


@dataclass(frozen=True)
class FilmOptions:
    """How a film shall be.

    Attributes:
        voice: Who speaks the text.
        settings: Rate, pitch and volume of the voice.
        offline: Never ask the network.
        transcript: What is said in the recording, where known.
        language: Of the recording, BCP 47.
        allow_silence: Take a recording without speech; the mouth stays shut.
        style: How the head moves: a key of `STYLES`.
        expression: The lasting look.
        face: Which face of the photo speaks; 1 is the largest.
        fps: Pictures a second.
        resolution: ``512x512`` or ``720p``; None keeps the photo's own up to a bound.
        crop: ``16:9``, ``9:16`` or ``1:1``, around the face.
        engine: What draws the mouth.
        size: Picture size of neural engines.
        timeline: Visemes to use in place of those of the speech.
        label: Write the viseme's name and the time on the picture.
        mark: Draw a small badge that says the picture is made by software.
        consent: What the shown person agreed to, for the film's provenance; of an avatar its own is taken.
        salt: Makes the film's provenance id its own, where the same film is made for several people.
        crf: Quality of x264.
    """

    voice: str = DEFAULT_VOICE
    settings: SpeechSettings = field(default_factory=SpeechSettings)
    offline: bool = False
    transcript: str = ""
    language: str = "en"
    allow_silence: bool = False
    style: str = DEFAULT_STYLE
    expression: Expression = field(default_factory=Expression)
    face: int = 1
    fps: float = DEFAULT_FPS
    resolution: str | None = None
    crop: str | None = None
    engine: str = "auto"
    size: int = 256
    timeline: VisemeTrack | None = None
    label: bool = False
    mark: bool = False
    consent: str = ""
    salt: str = ""
    crf: float = 18

    def check(self) -> None:
        """Complain about what cannot be, before any work is done.

        Raises:
            InputError: An option is out of bounds.
            EngineError: The engine is not known.
        """
        if self.style not in STYLES:
            choices = ", ".join(STYLES)
            raise InputError("'{style}' is not a style.", "Choose {choices}.", style=self.style, choices=choices)
        if not MIN_FPS <= self.fps <= MAX_FPS:
            raise InputError(
                "{fps} frames a second cannot be made.",
                "Choose {least} to {most}.",
                fps=f"{self.fps:g}",
                least=f"{MIN_FPS:g}",
                most=f"{MAX_FPS:g}",
            )
        if self.face < 1:
            raise InputError("There is no face {face}.", "Faces are counted from 1, the largest.", face=self.face)
        check_shape(self.resolution, self.crop)
        mouth_engine(self.engine)


@dataclass(frozen=True)
class FilmReport:
    """What was made.

    Attributes:
        path: The mp4.
        frames: Pictures in it.
        fps: Pictures a second.
        size: Width and height.
        duration: Seconds of sound.
        seconds: How long it took.
        engine: What drew the mouth.
        voice: Who spoke; empty for a recording.
        faces: How many faces the photo shows; 0 where an engine of its own way looked at it.
        blinks: How many times the eyes blink.
        notes: What the user should know, such as fallbacks, in sentences.
        speech: The sound with the times of what is said in it.
        track: The visemes shown.
        mark: What the film says of itself; its id is found again by `visema.provenance.read_mark`.
    """

    path: Path
    frames: int
    fps: float
    size: tuple[int, int]
    duration: float
    seconds: float
    engine: str
    voice: str
    faces: int
    blinks: int
    notes: tuple[str, ...]
    speech: Speech
    track: VisemeTrack
    mark: Mark | None = None


def make_film(
    photo: Path,
    out: Path,
    *,
    audio: Path | None = None,
    text: str = "",
    options: FilmOptions | None = None,
    progress: FilmProgress | None = None,
    stop: threading.Event | None = None,
) -> FilmReport:
    """Make a face in a photo say something. The file appears under its name only when it is whole.

    Args:
        photo: Picture of one or more faces.
        out: Where to write, ``.mp4``.
        audio: A recording of speech; without one ``text`` is spoken.
        text: What to say; with a recording, what is said in it (as ``options.transcript``).
        options: How.
        progress: Told what is going on, from the thread that called.
        stop: Set it to give up; looked at between pictures and pieces of speech.

    Raises:
        InputError: An option, the text or the recording cannot be used.
        MediaError: A file cannot be read, or is beyond the limits.
        FaceError: The photo shows no usable face, or not so many.
        VoiceError: No voice could speak.
        EngineError: The engine is not installed.
        OutputError: The file cannot be written.
        Cancelled: ``stop`` was set; nothing is left behind.
    """
    options = options or FilmOptions()
    options.check()
    check_output(out)
    if audio is None and not text.strip():
        raise InputError("There is nothing to say.", "Give a recording, or a text.")
    watch = _Watch(progress, stop)
    began = time.perf_counter()
    watch.at("reading", 0.0)
    kind, notes = _engine(options)
    if isinstance(kind, (LearnsByDrawing, MakesLoops)):
        return _by_avatar(photo, out, audio, text, options, watch, began)
    from visema.base import read_portrait

    image = read_portrait(photo)
    watch.at("reading", 0.5)
    landmarks, faces = choose_face(image, options.face)
    speech = _speech(audio, text, options, watch)
    watch.at("drawing", 0.0)
    planned = plan(speech, options.fps, options.timeline)
    image, landmarks, framing = _framed(image, landmarks, options)
    image, landmarks = wear(image, landmarks, options.expression)
    total = frame_count(speech.duration, options.fps)
    prosody = measure_prosody(speech.samples, speech.rate)
    motion = speaking_motion(prosody, total, options.fps, options.style, seed_of(speech.samples))
    portrait = bring_to_life(image, landmarks, motion, options.fps, kind)
    compositor = Compositor(portrait)
    poses = _poses(planned, total)
    facts = facts_of(
        engine=kind.name,
        voice=speech.voice,
        source=hashlib.sha256(photo.read_bytes()).hexdigest(),
        consent=options.consent,
        salt=options.salt,
        visible=options.mark,
    )
    with Mp4Writer(out, framing.size, options.fps, speech.rate, crf=options.crf, facts=facts) as writer:
        written = 0
        for number, (picture, pose) in enumerate(zip(portrait.loop.frames(), poses, strict=True)):
            heard = Heard(speech.samples, speech.rate, number, options.fps)
            compositor.compose(picture, number, pose, heard)
            frame = framing.apply(picture)
            if options.label:
                draw_label(frame, framing.size, planned.track.at(number / options.fps), number / options.fps)
            if options.mark:
                draw_mark(frame, framing.size)
            end = round((number + 1) / options.fps * speech.rate)
            writer.write_audio(speech.samples[written:end])
            writer.write(frame)
            written = end
            watch.at("drawing", (number + 1) / total)
    watch.at("done", 0.0)
    return FilmReport(
        path=out,
        frames=total,
        fps=options.fps,
        size=framing.size,
        duration=speech.duration,
        seconds=time.perf_counter() - began,
        engine=kind.name,
        voice=speech.voice,
        faces=faces,
        blinks=len(motion.blinks),
        notes=(*notes, *portrait.loop.notes, *speech.notes),
        speech=speech,
        track=planned.track,
        mark=writer.mark,
    )


def choose_face(image: Image, number: int = 1) -> tuple[FloatArray, int]:
    """The landmarks (478, 3) of face ``number`` of a picture, 1 the largest, and how many faces it shows.

    Raises:
        FaceError: It shows none, not so many, or that one cannot be used.
    """
    from visema.face.diagnose import refuse_unusable
    from visema.face.pose import fit_poses
    from visema.face.tracking import find_faces, pick_face

    faces, seen = find_faces(image)
    if not faces:
        raise FaceError(
            "No face was found.", "Use a photo that shows one whole human face from the front, upright and well lit."
        )
    chosen = pick_face(faces, number)
    pose = fit_poses(chosen[None])
    refuse_unusable(float(pose.scale[0]), float(pose.residual[0]), "photo")
    return chosen, max(seen, len(faces))


class _Watch:
    """Tells of the progress and ends the work when it is asked to."""

    def __init__(self, progress: FilmProgress | None, stop: threading.Event | None) -> None:
        self._progress, self._stop = progress, stop
        self._share = 0.0

    def at(self, stage: str, share: float) -> None:
        """``share`` of ``stage`` is done."""
        if self._stop is not None and self._stop.is_set():
            raise Cancelled("The film was given up.", "Start it again whenever you like.")
        if self._progress is None:
            return
        begins = _BEGINS[stage]
        ends = min((b for b in _BEGINS.values() if b > begins), default=1.0)
        self._share = max(self._share, begins + (ends - begins) * min(max(share, 0.0), 1.0))
        self._progress(stage, self._share)


def _engine(options: FilmOptions) -> tuple[type[MouthEngine], tuple[str, ...]]:
    """The engine, or the embedded one where its weights are missing, with a note that says so."""
    from visema.neural.store import WeightsError

    kind = mouth_engine(options.engine)
    if isinstance(kind, NeedsWeights):
        try:
            kind.ready(options.size)
        except WeightsError as e:
            log.warning("%s", e)
            told = "The weights of the engine '{engine}' cannot be used, so the embedded one draws the mouth."
            return mouth_engine(EMBEDDED), (Message(told, engine=options.engine),)
    return kind, ()


def _speech(audio: Path | None, text: str, options: FilmOptions, watch: _Watch) -> Speech:
    if audio is None:
        from visema.speech.speak import speak

        watch.at("speaking", 0.0)
        return with_tail(speak(text, options.voice, options.settings, offline=options.offline))
    from visema.hearing import hear
    from visema.media.audio import read_audio

    samples, rate = read_audio(audio)
    watch.at("listening", 0.0)
    return hear(
        samples,
        rate,
        options.transcript or text,
        options.language or "en",
        allow_silence=options.allow_silence,
        progress=lambda share: watch.at("listening", share),
    )


def _framed(image: Image, landmarks: FloatArray, options: FilmOptions) -> tuple[Image, FloatArray, Framing]:
    """The photo no larger than the film needs it, and which part of it is shown."""
    from visema.base import LARGEST_PHOTO, LONGEST_PHOTO, PLENTY_U
    from visema.face.pose import fit_poses
    from visema.face.track import FaceTrack

    scale = float(fit_poses(landmarks[None]).scale[0])
    longest = round(float(np.clip(max(image.shape[:2]) * PLENTY_U / scale, LONGEST_PHOTO, LARGEST_PHOTO)))
    if not options.resolution:
        image, landmarks = bounded(image, landmarks, longest)
    else:
        image, landmarks = bounded(image, landmarks, max(image.shape[:2]))
    h, w = image.shape[:2]
    track = FaceTrack(landmarks[None], np.ones(1, np.bool_))
    framing = choose_framing((w, h), track, resolution=options.resolution, crop=options.crop)
    k = framing.size[0] / framing.crop.width
    if k >= 1:
        return image, landmarks, framing
    # moved at the film's own scale, each picture is only cut, not scaled again
    width, height = (max(side, 2 * round(k * whole / 2)) for side, whole in zip(framing.size, (w, h), strict=True))
    image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    landmarks = landmarks * np.array([width / w, height / h, width / w], np.float32)
    x0 = min(2 * round(framing.crop.x0 * k / 2), width - framing.size[0])
    y0 = min(2 * round(framing.crop.y0 * k / 2), height - framing.size[1])
    cut = Box(x0, y0, x0 + framing.size[0], y0 + framing.size[1])
    return image, landmarks.astype(np.float32), Framing((width, height), cut, framing.size)


def _poses(planned: Plan, total: int) -> FloatArray:
    from visema.stage.render import pose_at

    return np.stack([pose_at(planned.curve, number, planned.curve.fps) for number in range(total)])


def _by_avatar(
    photo: Path, out: Path, audio: Path | None, text: str, options: FilmOptions, watch: _Watch, began: float
) -> FilmReport:
    """The film of an engine that makes a loop of the photo, or learns the face by drawing."""
    from visema.setup import prepare_avatar

    def told(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: watch.at(stage, done / max(total, 1))

    avatar = prepare_avatar(
        photo, engine=options.engine, size=options.size, face=options.face, progress=told("reading")
    )
    speech = _speech(audio, text, options, watch)
    planned = plan(speech, options.fps, options.timeline)
    report = render_file(
        avatar,
        speech,
        planned,
        out,
        fps=options.fps,
        resolution=options.resolution,
        crop=options.crop,
        label=options.label,
        mark=options.mark,
        salt=options.salt,
        progress=told("drawing"),
    )
    watch.at("done", 0.0)
    return FilmReport(
        path=out,
        frames=report.frames,
        fps=report.fps,
        size=report.size,
        duration=report.duration,
        seconds=time.perf_counter() - began,
        engine=avatar.engine,
        voice=speech.voice,
        faces=0,
        blinks=0,
        notes=(*avatar.notes, *speech.notes),
        speech=speech,
        track=planned.track,
        mark=report.mark,
    )
