"""Films of photos: from the files to the pictures in the mp4."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.portrait.conftest import eye_openness
from visema.errors import Cancelled, EngineError, FaceError, InputError, OutputError
from visema.face.landmarks import MediaPipeLandmarker
from visema.face.tracking import FaceTracker, lip_gap
from visema.mouth.heard import Heard
from visema.mouth.warp import WarpEngine
from visema.paths import ASSETS
from visema.portrait.expression import Expression
from visema.speech.speak import speak
from visema.stage import film as film_of_a_photo
from visema.stage.film import FilmOptions, FilmReport, choose_face, make_film
from visema.types import FloatArray, Image

PHOTO = ASSETS / "presenter.png"
TEXT = "Yes, we are very happy to see you here today. Please come in!"
OPTIONS = FilmOptions(voice="espeak:en-us", offline=True, resolution="320x320")


def pictures(path: Path) -> list[Image]:
    with av.open(str(path)) as box:
        return [frame.to_ndarray(format="bgr24") for frame in box.decode(video=0)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[FilmReport, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []
    out = tmp_path_factory.mktemp("film") / "film.mp4"
    report = make_film(PHOTO, out, text=TEXT, options=OPTIONS, progress=lambda *what: told.append(what))
    return report, told


def test_the_film_is_as_long_as_its_sound_and_says_so(film: tuple[FilmReport, list[tuple[str, float]]]) -> None:
    report, told = film
    with av.open(str(report.path)) as box:
        video, audio = box.streams.video[0], box.streams.audio[0]
        assert video.frames == report.frames == round(report.duration * 25 + 0.49)
        assert float(audio.duration * audio.time_base) == pytest.approx(report.frames / 25, abs=0.03)
    assert report.size == (320, 320) and report.faces == 1 and report.voice == "espeak:en-us"
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert [s for i, (s, _) in enumerate(told) if i == 0 or told[i - 1][0] != s] == [
        "reading", "speaking", "drawing", "done",
    ]  # fmt: skip


def test_face_and_mouth_move_and_the_eyes_blink(film: tuple[FilmReport, list[tuple[str, float]]]) -> None:
    report, _ = film
    frames = pictures(report.path)
    with MediaPipeLandmarker(video=True) as mesh:
        faces = np.stack([mesh.find(frame)[0] for frame in frames])
    gaps = lip_gap(faces)
    assert gaps.max() > 0.12 and gaps[-3:].max() < 0.05, "the mouth opens, and is shut at the end"
    # the lips close for every m, b, p
    for phone in report.speech.phones:
        if phone.label in ("p", "m") and phone.start > 0.3:
            near = slice(int((phone.start - 0.04) * 25), int((phone.end + 0.06) * 25) + 1)
            assert gaps[near].min() < 0.05, phone
    nose = faces[:, 4, :2]
    unit = np.linalg.norm(faces[0, 468, :2] - faces[0, 473, :2])
    assert 0.03 < np.ptp(nose, axis=0).max() / unit < 0.5
    openness = np.array([eye_openness(f) for f in faces])
    shut = openness < 0.55 * np.median(openness)
    begins = int(np.count_nonzero(shut[1:] & ~shut[:-1]))
    assert begins == report.blinks >= 1
    still = np.stack([frame[:100, :10] for frame in frames[::5]]).astype(int)
    assert np.ptp(still, axis=0).max() <= 8, "the background stands still"


def test_an_engine_that_hears_is_given_every_moment_of_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[Heard] = []

    class Hearing(WarpEngine):
        def draw_heard(self, base: Image, index: int, pose: FloatArray, heard: Heard) -> Image:
            moments.append(heard)
            return self.draw(base, index, pose)

    monkeypatch.setattr(film_of_a_photo, "_engine", lambda options: (Hearing, ()))
    report = make_film(PHOTO, tmp_path / "heard.mp4", text="Hello.", options=OPTIONS)
    assert [heard.number for heard in moments] == list(range(report.frames))
    assert {(heard.rate, heard.fps) for heard in moments} == {(report.speech.rate, 25.0)}
    assert all(heard.samples is report.speech.samples for heard in moments)


def test_the_same_gives_the_same_film_another_style_another(
    film: tuple[FilmReport, list[tuple[str, float]]], tmp_path: Path
) -> None:
    again = make_film(PHOTO, tmp_path / "again.mp4", text=TEXT, options=OPTIONS)
    first = pictures(film[0].path)
    assert all(np.array_equal(a, b) for a, b in zip(first, pictures(again.path), strict=True))
    style = FilmOptions(
        voice="espeak:en-us", offline=True, resolution="320x320", style="still", expression=Expression("smile")
    )
    other = pictures(make_film(PHOTO, tmp_path / "still.mp4", text=TEXT, options=style).path)
    moves = [np.abs(np.diff([f[60:120, 100:220].astype(int) for f in fs], axis=0)).mean() for fs in (first, other)]
    assert moves[1] < 0.7 * moves[0]


def test_a_recording_with_its_transcript(tmp_path: Path) -> None:
    speech = speak("Hello there.", "espeak:en-us", offline=True, cache=False)
    sound = tmp_path / "hello.wav"
    with av.open(str(sound), "w") as box:
        stream = box.add_stream("pcm_s16le", rate=speech.rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (speech.samples * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = speech.rate
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    options = FilmOptions(resolution="160x160", fps=12.5, label=True)
    report = make_film(PHOTO, tmp_path / "out.mp4", audio=sound, text="Hello there.", options=options)
    assert report.duration == pytest.approx(speech.duration, abs=0.01) and report.voice == ""
    assert [w.label for w in report.speech.words] == ["Hello", "there."]
    assert len(pictures(report.path)) == report.frames == int(np.ceil(report.duration * 12.5))


def two_faces() -> Image:
    image = cv2.imread(str(PHOTO))
    small = cv2.resize(image, (420, 420), interpolation=cv2.INTER_AREA)
    wide = np.full((640, 1200, 3), image[0, 0], np.uint8)
    wide[:, :640] = cv2.resize(image, (640, 640), interpolation=cv2.INTER_AREA)
    wide[220:, 740:1160] = small
    return wide


def test_faces_are_chosen_by_number(tmp_path: Path) -> None:
    image = two_faces()
    first, count = choose_face(image, 1)
    second, _ = choose_face(image, 2)
    assert count == 2 and first[:, 0].mean() < 640 < second[:, 0].mean()
    photo = tmp_path / "two.png"
    cv2.imwrite(str(photo), image)
    options = FilmOptions(voice="espeak:en-us", offline=True, face=2)
    frames = pictures(make_film(photo, tmp_path / "two.mp4", text="Hello you.", options=options).path)
    change = np.abs(np.diff(np.stack(frames[::4]).astype(int), axis=0)).max((0, 3))
    half = change.shape[1] * 640 // 1200
    assert change[:, half:].max() > 60 and np.percentile(change[:, : half - 20], 99.5) <= 12
    with pytest.raises(FaceError, match="no face 3"):
        choose_face(image, 3)


def test_a_video_s_face_is_chosen_too() -> None:
    rgb = np.asarray(cv2.cvtColor(two_faces(), cv2.COLOR_BGR2RGB), np.uint8)
    with FaceTracker(face=2) as tracker:
        for _ in range(3):
            tracker.add(rgb)
        tracking = tracker.finish()
    assert tracking.faces == 2 and (tracking.landmarks[:, :, 0] > 640).all()
    with FaceTracker(face=3) as tracker, pytest.raises(FaceError, match="no face 3"):
        tracker.add(rgb)


def test_giving_up_leaves_nothing(tmp_path: Path) -> None:
    stop = threading.Event()

    def told(stage: str, share: float) -> None:
        if stage == "drawing" and share > 0.5:
            stop.set()

    with pytest.raises(Cancelled):
        make_film(PHOTO, tmp_path / "gone.mp4", text=TEXT, options=OPTIONS, progress=told, stop=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"style": "wild"}, InputError),
        ({"fps": 0.0}, InputError),
        ({"face": 0}, InputError),
        ({"resolution": "7x7"}, InputError),
        ({"engine": "nonsense"}, EngineError),
    ],
)
def test_options_are_checked_first(tmp_path: Path, wrong: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make_film(PHOTO, tmp_path / "x.mp4", text="Hello.", options=FilmOptions(**wrong))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_say_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        make_film(PHOTO, tmp_path / "x.mp4")
    with pytest.raises(OutputError):
        make_film(PHOTO, tmp_path / "none" / "x.mp4", text="Hello.")


def test_real_photos_and_recordings(tmp_path: Path, real_media: Callable[[str], Path]) -> None:
    photo, sound = real_media("face_turned.jpg"), real_media("speech_chinese.wav")
    options = FilmOptions(resolution="256x256", language="zh", style="lively", expression=Expression("smile", 0.5))
    report = make_film(photo, tmp_path / "real.mp4", audio=sound, options=options)
    assert report.frames == len(pictures(report.path)) and any("not English" in note for note in report.notes)
