"""Films are exact to the frame, the same every time, and show the mouths that were planned."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.stage.conftest import FPS, FRAMES, MAMA, SIZE, TinyAvatar, opening, speech_of, stamped_index
from visema.errors import InputError, OutputError
from visema.speech.sound import Sound
from visema.speech.types import Span, Speech
from visema.stage.render import check_output, frame_count, pose_at, render_file, with_tail
from visema.visemes.articulation import TARGETS, ArticulationCurve
from visema.visemes.plan import plan


def lumas(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as box:
        return [frame.to_ndarray()[: frame.height].copy() for frame in box.decode(video=0)]


def sound_seconds(path: Path) -> float:
    with av.open(str(path)) as box:
        stream = box.streams.audio[0]
        return float(stream.duration * stream.time_base)


@pytest.mark.parametrize("fps", [25.0, 12.5, 50.0, 30.0, 24.0, 7.0])
def test_frames_and_sound_are_as_long_as_each_other(tiny: TinyAvatar, tmp_path: Path, fps: float) -> None:
    speech = speech_of(*MAMA)
    report = render_file(tiny, speech, plan(speech, fps), tmp_path / "a.mp4", fps=fps)
    pictures = lumas(report.path)
    assert len(pictures) == report.frames == frame_count(speech.duration, fps)
    assert 0 <= len(pictures) / fps - speech.duration < 1 / fps
    assert abs(sound_seconds(report.path) - len(pictures) / fps) < 1 / fps
    # Each picture shows the loop frame of its moment.
    shown = [stamped_index(p) for p in pictures]
    assert shown == [int(i / fps * FPS + 1e-6) % FRAMES for i in range(len(pictures))]


def test_the_same_inputs_give_the_same_frames(tiny: TinyAvatar, tmp_path: Path) -> None:
    speech = speech_of(*MAMA)
    digests = set()
    for name in ("a.mp4", "b.mp4"):
        render_file(tiny, speech, plan(speech, FPS), tmp_path / name)
        digests.add(hashlib.sha256(b"".join(p.tobytes() for p in lumas(tmp_path / name))).hexdigest())
    assert len(digests) == 1


ENCODE = """
import hashlib, sys, tempfile
from pathlib import Path
import numpy as np
from visema.media.encode import Mp4Writer
noise = np.random.default_rng(1).integers(60, 200, (20, 24), np.uint8).repeat(16, 0).repeat(16, 1)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "a.mp4"
    with Mp4Writer(path, (320, 240), 25) as writer:
        for i in range(30):
            frame = np.full((360, 320), 128, np.uint8)
            frame[:240] = noise[i : i + 240, i // 2 : i // 2 + 320]
            writer.write(frame)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc's way to fill new memory")
def test_the_file_does_not_depend_on_what_memory_held_before() -> None:
    """x264 reads memory that it has not written, for sizes like this one, when it is let."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", ENCODE],
            env={**os.environ, "MALLOC_PERTURB_": fill},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for fill in ("0", "1", "85", "170")
    }
    assert len(digests) == 1


def test_the_film_shows_the_planned_mouths(tiny: TinyAvatar, tmp_path: Path) -> None:
    speech = speech_of(*MAMA, *MAMA, *MAMA)  # runs past the loop's end
    planned = plan(speech, FPS)
    render_file(tiny, speech, planned, tmp_path / "a.mp4")
    pictures = lumas(tmp_path / "a.mp4")
    scheduled = [min(2 * round(float(p[0]) * 100) + 1, 49) if p[0] > 0.005 else 0 for p in planned.curve.poses]
    measured = [opening(picture, i % FRAMES) for i, picture in enumerate(pictures)]
    assert max(scheduled) > 20 and min(scheduled) == 0
    fits = [abs(a - b) <= 3 for a, b in zip(scheduled, measured, strict=True)]
    assert np.mean(fits) >= 0.99


def test_repeated_loop_frames_are_drawn_afresh(tiny: TinyAvatar, tmp_path: Path) -> None:
    """At a higher rate a loop frame is shown more than once; an open mouth must not stay on it."""
    poses = np.repeat(np.stack([TARGETS["Aa"], TARGETS["Sil"]]), 10, axis=0)
    poses = np.concatenate([poses[i::10] for i in range(10)])  # Aa, Sil, Aa, Sil...
    speech = speech_of((0.2, "ɑ"))
    curve = ArticulationCurve(100.0, poses.astype(np.float32))
    planned = type(plan(speech, 100.0))(plan(speech, 100.0).track, curve)
    render_file(tiny, speech, planned, tmp_path / "a.mp4", fps=100.0)
    heights = [opening(p, i // 4) for i, p in enumerate(lumas(tmp_path / "a.mp4"))]
    assert all(h > 20 for h in heights[::2]) and all(h == 0 for h in heights[1::2])


def test_a_generated_speech_gets_time_to_close_the_mouth(tiny: TinyAvatar) -> None:
    speech = speech_of(*MAMA)
    longer = with_tail(speech)
    assert longer.duration == pytest.approx(speech.duration + 0.3, abs=1e-3)
    assert not longer.samples[len(speech.samples) :].any()
    assert with_tail(longer) is longer
    end = plan(longer, FPS).curve.poses[-1]
    assert np.abs(end - TARGETS["Sil"]).max() < 0.02
    recording = speech_of(*MAMA, recorded=True)
    assert with_tail(recording) is recording


def test_label_is_drawn_in_the_corner_only(tiny: TinyAvatar, tmp_path: Path) -> None:
    speech = speech_of((0.2, "ɑ"))
    for name, label in (("a.mp4", False), ("b.mp4", True)):
        render_file(tiny, speech, plan(speech, FPS), tmp_path / name, label=label)
    plain, labelled = lumas(tmp_path / "a.mp4")[2], lumas(tmp_path / "b.mp4")[2]
    changed = np.abs(plain.astype(int) - labelled) > 60
    assert changed[:40].sum() > 50
    assert not changed[60:].any()


def test_curve_of_another_rate_is_interpolated() -> None:
    curve = ArticulationCurve(10.0, np.stack([TARGETS["Sil"], TARGETS["Aa"]]))
    assert np.allclose(pose_at(curve, 1, 20.0), (TARGETS["Sil"] + TARGETS["Aa"]) / 2)
    assert np.array_equal(pose_at(curve, 9, 10.0), TARGETS["Sil"])


def _high_water_kb() -> int:
    """Peak of this process alone; `getrusage` would begin with what the parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _peak_kb(avatar: TinyAvatar, seconds: float, path: Path, answer: "multiprocessing.Queue[int]") -> None:
    speech = speech_of(*[(0.1, p) for p in "mɑ" * round(seconds * 5)], rate=8000)
    planned = plan(speech, FPS)
    before = _high_water_kb()
    render_file(avatar, speech, planned, path)
    answer.put(_high_water_kb() - before)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_does_not_grow_with_length(tiny: TinyAvatar, tmp_path: Path) -> None:
    """Peak over what the speech itself takes, in a fresh process each."""
    context = multiprocessing.get_context("spawn")
    peaks = []
    for seconds in (4.0, 80.0):
        answer = context.Queue()
        child = context.Process(target=_peak_kb, args=(tiny, seconds, tmp_path / "a.mp4", answer))
        child.start()
        peaks.append(answer.get(timeout=120))
        child.join()
    # 80 s more frames take 87 MB, their sound 3 MB.
    assert peaks[1] - peaks[0] < 12_000


def _render_slowly(avatar: TinyAvatar, path: Path) -> None:
    speech = speech_of(*MAMA)
    render_file(avatar, speech, plan(speech, FPS), path, progress=lambda done, total: time.sleep(0.2))


def test_what_a_killed_render_leaves_is_removed_by_the_next(tiny: TinyAvatar, tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_render_slowly, args=(tiny, tmp_path / "a.mp4"))
    child.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    assert not (tmp_path / "a.mp4").exists()
    assert len(list(tmp_path.iterdir())) == 1
    speech = speech_of((0.2, "ɑ"))
    render_file(tiny, speech, plan(speech, FPS), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_an_error_while_rendering_leaves_nothing(tiny: TinyAvatar, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    speech = speech_of(*MAMA)
    with pytest.raises(KeyboardInterrupt):
        render_file(tiny, speech, plan(speech, FPS), tmp_path / "a.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "word"), [("a.avi", "mp4"), ("a", "mp4"), ("missing/a.mp4", "does not exist"), ("folder.mp4", "folder")]
)
def test_bad_places_are_refused_before_work(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError) as caught:
        check_output(tmp_path / name)
    assert word in str(caught.value) and caught.value.hint


def test_a_frame_rate_out_of_bounds_is_refused(tiny: TinyAvatar, tmp_path: Path) -> None:
    speech = speech_of((0.2, "ɑ"))
    with pytest.raises(InputError):
        render_file(tiny, speech, plan(speech, FPS), tmp_path / "a.mp4", fps=1000)


def test_crop_and_resolution_reach_the_file(tiny: TinyAvatar, tmp_path: Path) -> None:
    speech = speech_of((0.2, "ɑ"))
    render_file(tiny, speech, plan(speech, FPS), tmp_path / "a.mp4", crop="1:1", resolution="64x64")
    pictures = lumas(tmp_path / "a.mp4")
    assert pictures[0].shape == (64, 64)
    assert shutil.disk_usage(tmp_path).free > 0 and SIZE[0] > 64


def _plan_of_a_long_speech(seconds: int, answer: "multiprocessing.Queue[tuple[int, int]]") -> None:
    """Peak memory, and the sound's size, of planning a speech that lies on disk."""
    rate, sound = 22050, Sound()
    rng = np.random.default_rng(0)
    for _ in range(seconds // 10):
        sound.add(rng.normal(0, 0.1, 10 * rate).astype(np.float32))
    speech = Speech(sound.finish(), rate, phones=(Span(0.1, seconds - 0.1, "ɑ"),))
    before = _high_water_kb()
    plan(speech, FPS)
    answer.put((_high_water_kb() - before, speech.samples.nbytes // 1024))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_planning_gives_back_the_sound_that_it_has_read() -> None:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=_plan_of_a_long_speech, args=(600, answer))
    child.start()
    grown, size = answer.get(timeout=120)
    child.join()
    assert size > 50_000, "or it would not lie on disk"
    assert grown < size / 3
