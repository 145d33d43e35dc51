"""The live performer, driven by a clock that the test turns by hand."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.stage.conftest import FPS, FRAMES, MAMA, SIZE, TinyAvatar, opening, speech_of, stamped_index
from visema.errors import VoiceError
from visema.speech.types import Speech, SpeechSettings
from visema.stage.base import mouth_moves
from visema.stage.events import Event, LiveFrame
from visema.stage.performer import Performer

PATIENCE = 10.0


class HandClock:
    """Stands where the test puts it."""

    def __init__(self) -> None:
        self.now: float | None = None
        self.stopped = False

    def start(self, speech: Speech) -> None:
        pass

    def time(self) -> float | None:
        return self.now

    def stop(self) -> None:
        self.stopped = True


class Stage:
    """A performer whose clocks, events and speeches the test holds."""

    def __init__(self, avatar: TinyAvatar) -> None:
        self.clocks: dict[int, HandClock] = {}
        self.events: list[Event] = []
        self.gate = threading.Event()
        self.gate.set()
        self.spoken: list[str] = []
        self._heard = threading.Condition()
        self.performer = Performer(avatar, clock=self._clock, on_event=self._hear, speaker=self._speak)

    def _clock(self, number: int) -> HandClock:
        return self.clocks.setdefault(number, HandClock())

    def _hear(self, event: Event) -> None:
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()

    def _speak(self, text: str, voice: str, settings: SpeechSettings) -> Speech:
        self.spoken.append(text)
        assert self.gate.wait(PATIENCE)
        if text == "bad voice":
            raise VoiceError("There is no such voice.", "Choose another.")
        if text == "bug":
            raise ZeroDivisionError
        return speech_of(*MAMA, text=text)

    def wait_for(self, kind: str, number: int) -> Event:
        def found() -> Event | None:
            return next((e for e in self.events if e.kind == kind and e.utterance == number), None)

        with self._heard:
            self._heard.wait_for(lambda: found() is not None, PATIENCE)
            event = found()
        assert event is not None, f"no '{kind}' of {number} in {self.told()}"
        return event

    def told(self) -> list[tuple[str, int]]:
        return [(e.kind, e.utterance) for e in self.events]

    def frame_until(self, wanted: Callable[[LiveFrame], bool]) -> LiveFrame:
        deadline = time.monotonic() + PATIENCE
        number = 0
        while time.monotonic() < deadline:
            frame = self.performer.wait_frame(number, 1.0)
            if frame is not None:
                number = frame.number
                if wanted(frame):
                    return frame
        raise AssertionError("the picture that was waited for never came")

    def begin(self, text: str = "mama") -> int:
        number = self.performer.say(text)
        self.wait_for("ready", number)
        self._clock(number).now = 0.0
        self.wait_for("started", number)
        return number


@pytest.fixture
def stage(tiny: TinyAvatar) -> Iterator[Stage]:
    stage = Stage(tiny)
    yield stage
    stage.gate.set()
    stage.performer.close()


def luma(frame: LiveFrame) -> np.ndarray:
    return frame.i420[: SIZE[1]]


def mouth(frame: LiveFrame) -> int:
    return opening(luma(frame), frame.index)


def test_idle_shows_the_loop_as_it_is(stage: Stage) -> None:
    first = stage.performer.current_frame()
    assert first is not None and stage.performer.state == "listening"
    later = stage.frame_until(lambda f: f.index > first.index + 3)
    for frame in (first, later):
        assert stamped_index(luma(frame)) == frame.index
        assert frame.utterance is None and frame.time is None and mouth(frame) == 0


def test_the_picture_follows_the_clock(stage: Stage) -> None:
    number = stage.begin()
    assert stage.performer.state == "speaking"
    plan = stage.wait_for("ready", number).plan
    assert plan is not None
    for t in (0.0, 0.2, 0.24, 0.48, 0.84, 1.0):
        stage.clocks[number].now = t + 1e-4
        frame = stage.frame_until(lambda f, t=t: f.time is not None and abs(f.time - t) < 0.5 / FPS)
        jaw = float(plan.curve.poses[round(t * FPS)][0])
        scheduled = min(2 * round(jaw * 100) + 1, 49) if jaw > 0.005 else 0
        assert frame.utterance == number
        assert mouth(frame) == pytest.approx(scheduled, abs=3)
        assert stamped_index(luma(frame)) == frame.index


def test_events_come_in_order_with_times(stage: Stage) -> None:
    number = stage.begin()
    stage.clocks[number].now = 99.0
    stage.wait_for("finished", number)
    assert [kind for kind, _ in stage.told()] == ["queued", "preparing", "ready", "started", "finished"]
    assert all(a.after <= b.after for a, b in zip(stage.events, stage.events[1:], strict=False))
    assert stage.clocks[number].stopped
    speech = stage.events[-1].speech
    assert speech is not None and speech.text == "mama"
    stage.frame_until(lambda f: f.utterance is None)
    assert stage.performer.state == "listening"


def test_stopping_mid_word_closes_the_mouth_in_steps(stage: Stage) -> None:
    number = stage.begin()
    stage.clocks[number].now = 0.2401
    open_frame = stage.frame_until(lambda f: f.time is not None and f.time > 0.2 and mouth(f) > 10)
    heights = [mouth(open_frame)]
    seen = open_frame.number
    stage.performer.stop()
    while heights[-1] > 0:
        frame = stage.performer.wait_frame(seen, PATIENCE)
        assert frame is not None
        seen = frame.number
        heights.append(mouth(frame))
    stage.wait_for("interrupted", number)
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) >= 3, heights
    assert stage.clocks[number].stopped and stage.performer.state == "listening"


def test_newer_words_discard_those_that_wait_but_not_the_one_that_speaks(stage: Stage) -> None:
    first = stage.begin()
    second, third = stage.performer.say("second"), stage.performer.say("third")
    stage.wait_for("discarded", second)
    stage.wait_for("ready", third)
    assert stage.performer.state == "speaking"
    stage.clocks[first].now = 99.0
    stage.wait_for("finished", first)
    stage._clock(third).now = 0.0
    stage.wait_for("started", third)
    assert ("started", second) not in stage.told()


def test_queued_words_are_all_spoken_in_order(stage: Stage) -> None:
    first = stage.begin()
    others = [stage.performer.say(text, queue=True) for text in ("two", "three")]
    for number in (first, *others):
        stage._clock(number).now = 99.0
        stage.wait_for("finished", number)
    assert stage.spoken == ["mama", "two", "three"]
    assert not [e for e in stage.events if e.kind == "discarded"]


def test_interrupting_words_silence_the_speaker(stage: Stage) -> None:
    first = stage.begin()
    second = stage.performer.say("now me", interrupt=True)
    stage.wait_for("interrupted", first)
    stage.wait_for("ready", second)
    stage._clock(second).now = 0.0
    stage.wait_for("started", second)


def test_words_overtaken_while_their_speech_is_made_are_never_heard(stage: Stage) -> None:
    stage.gate.clear()
    first = stage.performer.say("slow")
    stage.wait_for("preparing", first)
    assert stage.performer.state == "preparing"
    second = stage.performer.say("newer")
    stage.wait_for("discarded", first)
    stage.gate.set()
    stage.wait_for("ready", second)
    assert ("ready", first) not in stage.told()


def test_stop_discards_what_waits(stage: Stage) -> None:
    stage.gate.clear()
    numbers = [stage.performer.say(text, queue=True) for text in ("a", "b")]
    stage.performer.stop()
    for number in numbers:
        stage.wait_for("discarded", number)
    stage.gate.set()
    last = stage.begin("c")
    assert ("ready", numbers[0]) not in stage.told() and ("started", last) in stage.told()


@pytest.mark.parametrize(("text", "said"), [("bad voice", "no such voice"), ("bug", "log")])
def test_failures_are_told_and_the_stage_goes_on(stage: Stage, text: str, said: str) -> None:
    failed = stage.performer.say(text)
    assert said in stage.wait_for("failed", failed).detail
    assert stage.performer.state == "listening"
    stage.begin()


def test_a_broken_drawing_is_told_and_the_stage_goes_on(
    stage: Stage, tiny: TinyAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visema.stage.performer.RETRY_S", 0.05)

    def broken(*_: object) -> None:
        raise FloatingPointError

    monkeypatch.setattr(tiny.drawing, "draw", broken)
    number = stage.performer.say("mama")
    stage.wait_for("ready", number)
    stage._clock(number).now = 0.0
    stage.wait_for("failed", number)
    monkeypatch.undo()
    stage.begin()


def test_a_player_that_never_begins_does_not_hold_up_the_picture(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visema.stage.performer.START_PATIENCE_S", 0.1)
    number = stage.performer.say("mama")
    stage.wait_for("started", number)
    stage.wait_for("finished", number)


def test_a_player_that_vanishes_ends_the_speech(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visema.stage.performer.STALL_PATIENCE_S", 0.2)
    number = stage.begin()
    stage.wait_for("finished", number)


def test_the_base_moves_on_through_a_speech(stage: Stage) -> None:
    number = stage.begin()
    stage.clocks[number].now = 0.001
    start = stage.frame_until(lambda f: f.time == 0.0)
    stage.clocks[number].now = 1.0401
    later = stage.frame_until(lambda f: f.time is not None and f.time > 1.0)
    assert (later.index - start.index) % FRAMES == 26


def test_one_jpeg_for_all_viewers(stage: Stage) -> None:
    frame = stage.performer.current_frame()
    assert frame is not None
    data = frame.jpeg()
    assert data.startswith(b"\xff\xd8") and frame.jpeg() is data
    assert frame.bgr().shape == (SIZE[1], SIZE[0], 3)


def test_nobody_watching_costs_no_drawing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visema.stage.performer.UNWATCHED_S", 0.1)
    assert stage.performer.current_frame() is not None
    time.sleep(0.4)
    asleep = stage.performer._frame
    time.sleep(0.3)
    assert stage.performer._frame is asleep and asleep is not None
    assert stage.performer.wait_frame(asleep.number, PATIENCE) is not None


def test_closing_ends_the_threads(tiny: TinyAvatar) -> None:
    before = set(threading.enumerate())
    with Performer(tiny, speaker=lambda *_: speech_of(*MAMA)) as performer:
        performer.say("mama")
        assert performer.current_frame() is not None
    assert set(threading.enumerate()) <= before
    assert performer.wait_frame(10**9, 0.1) is None


def test_a_loop_that_talks_is_closed_while_idle(tiny: TinyAvatar) -> None:
    assert not mouth_moves(tiny)
    tiny.track.landmarks[::2, 14, 1] += 8
    assert mouth_moves(tiny)
    with Performer(tiny, speaker=lambda *_: speech_of(*MAMA)) as performer:
        assert performer.current_frame() is not None
    assert tiny.drawing.calls > 0
