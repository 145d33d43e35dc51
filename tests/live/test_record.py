"""A recording against what was sent: sound to the sample, mouths on the frames of their sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.live.conftest import WORD_S, Collector, eventually
from tests.stage.conftest import opening, stamped_index
from visema.live.crew import Crew
from visema.live.loop_file import LoopFile
from visema.live.messages import RATE
from visema.live.patch import PatchMaker
from visema.live.record import Recorder
from visema.live.stage import Stage
from visema.media.audio import read_audio, resample
from visema.media.video import VideoReader
from visema.provenance import read_mark


def record(loop: LoopFile, crew: Crew, folder: Path, interrupt_after: float = 0.0) -> tuple[Path, Collector]:
    stage = Stage(loop, PatchMaker(loop), crew)
    collector, recorder = Collector(stage), Recorder(stage, folder)
    stage.attach(collector)
    stage.attach(recorder)
    utterance = stage.say("ma ma. ma ma ma ma.")
    if interrupt_after:
        eventually(lambda: collector.sounds and stage.now > collector.sounds[0][1].t + interrupt_after)
        stage.interrupt()
    assert utterance.wait(10)
    eventually(lambda: list(folder.glob("tiny-*.mp4")) and not recorder._writing)
    recorder.finish()
    stage.close()
    return next(folder.glob("tiny-*.mp4")), collector


def test_a_recording_is_in_step_to_the_frame(loop: LoopFile, crew: Crew, tmp_path: Path) -> None:
    path, collector = record(loop, crew, tmp_path / "films")
    mark = read_mark(path)
    assert mark and mark.facts["live"] == "yes" and mark.state in ("Valid", "")
    sound, rate = read_audio(path)
    with VideoReader(path) as reader:
        frames = [f[:160] for f in reader]
        fps = float(reader.info.fps)
    assert fps == 25 and abs(len(frames) / fps - len(sound) / rate) < 1 / fps
    # Where the film begins on media time: by the stamp of its first frame, and by its sound.
    first = stamped_index(frames[0])
    start = collector.sounds[0][1].t
    begun = first / 25 + 2 * round((start - first / 25) / 2)
    loud = np.flatnonzero(np.abs(resample(sound, rate, RATE)) > 0.05)
    sent = np.concatenate([c.samples for _, c in collector.sounds])
    expected = start - begun + np.flatnonzero(np.abs(sent) > 0.05)[0] / RATE
    assert abs(loud[0] / RATE - expected) < 0.004
    # Each frame shows what was sent for it.
    for _, picture in collector.pictures:
        number = picture.frame - round(begun * 25)
        assert stamped_index(frames[number]) == picture.base
    words = [e for _, e in collector.told if e.kind == "word"]
    for word in words:
        at = round((word.t - begun) * fps)
        seen = [opening(frames[n], (first + n) % 50) for n in range(at, at + round(WORD_S * fps))]
        assert max(seen[3:6]) > 10 and min(seen[:3]) <= 4


def test_what_was_cut_is_not_heard_in_the_recording(loop: LoopFile, crew: Crew, tmp_path: Path) -> None:
    path, collector = record(loop, crew, tmp_path / "films", interrupt_after=0.5)
    sound, rate = read_audio(path)
    loud = np.flatnonzero(np.abs(sound) > 0.05) / rate
    cut = collector.cuts[0][1].t - collector.sounds[0][1].t
    assert abs((loud[-1] - loud[0]) - (cut - 0.06)) < 0.05
    with VideoReader(path) as reader:
        frames = [f[:160] for f in reader]
    first = stamped_index(frames[0])
    assert [opening(f, (first + n) % 50) for n, f in enumerate(frames)][-5:] == [0] * 5


def test_an_unwritable_folder_is_told_and_the_stage_goes_on(
    loop: LoopFile, crew: Crew, tmp_path: Path, caplog: object
) -> None:
    (tmp_path / "films").write_text("a file where the folder should be")
    stage = Stage(loop, PatchMaker(loop), crew)
    stage.attach(Recorder(stage, tmp_path / "films"))
    assert stage.say("ma ma").wait(10)
    assert "could not be recorded" in caplog.text  # type: ignore[attr-defined]
    stage.close()
