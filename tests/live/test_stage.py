from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from tests.live.conftest import WORD_S, Collector, embedded_voice, eventually, tone_voice
from tests.stage.conftest import SIZE, opening
from visema.errors import InputError
from visema.live.crew import Crew
from visema.live.loop_file import LoopFile, decode
from visema.live.messages import RATE, Picture
from visema.live.patch import PatchMaker
from visema.live.stage import MAX_WAITING, Stage
from visema.live.utterance import MAX_TEXT
from visema.speech.speak import LEAD, speak
from visema.speech.types import SpeechSettings


def heard(collector: Collector, take: int = 0) -> tuple[float, np.ndarray]:
    """Media time of the first sample, and the sound of a take."""
    chunks = [c for _, c in collector.sounds if take in (0, c.take)]
    assert all(b.t == pytest.approx(a.end, abs=1e-6) for a, b in itertools.pairwise(chunks))
    return chunks[0].t, np.concatenate([c.samples for c in chunks])


def seen_opening(loop: LoopFile, picture: Picture) -> int:
    """How far the mouth is open, read off the pixels as a browser has them."""
    image = loop.picture(picture.base)
    if picture.jpeg:
        part = image[picture.y : picture.y + picture.height, picture.x : picture.x + picture.width]
        part[:] = decode(picture.jpeg)
    return opening(image[..., 1], picture.base)


def shown(collector: Collector, first: float, last: float) -> list[int]:
    """How far the mouth is open in every frame of a stretch of media time, as a browser shows it."""
    found = []
    for frame in range(math.ceil(first * 25), math.floor(last * 25) + 1):
        picture = next((p for _, p in reversed(collector.pictures) if p.frame <= frame), None)
        assert picture is None or picture.frame == frame or not picture.jpeg
        found.append(0 if picture is None else seen_opening(collector.stage.loop, picture))
    return found


def test_sound_pictures_and_events_lie_on_one_time(stage: Stage, watched: Collector) -> None:
    asked = stage.now
    assert stage.say("ma ma ma ma.").wait(10)
    eventually(lambda: watched.pictures[-1][1].jpeg == b"")
    start, samples = heard(watched)
    assert asked < start < asked + 0.3
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    assert loud[0] / RATE == pytest.approx(LEAD, abs=0.005)
    assert (loud[-1] - loud[0]) / RATE == pytest.approx(4 * WORD_S, abs=0.005)
    # Every frame of the talk is there, ahead of its time, on its own loop frame.
    for (_, before), (_, after) in itertools.pairwise(watched.pictures):
        assert after.frame == before.frame + 1 or (not before.jpeg and after.frame > before.frame)
    assert all(came < p.t for came, p in watched.pictures)
    assert all(p.base == p.frame % stage.loop.count and p.t == p.frame / 25 for _, p in watched.pictures)
    # The mouth opens with the vowels: pixels against the sound's schedule.
    words = [e for _, e in watched.told if e.kind == "word"]
    assert [e.more["text"] for e in words] == ["ma", "ma", "ma", "ma."]
    for event in words:
        assert event.t - start == pytest.approx(LEAD + words.index(event) * WORD_S, abs=1e-3)
        assert max(shown(watched, event.t + 0.12, event.t + 0.2)) > 10
        assert min(shown(watched, event.t + 0.02, event.t + 0.06)) <= 3
    assert watched.kinds("word", "viseme") == ["queued", "started", "sentence", "finished"]
    visemes = [e for _, e in watched.told if e.kind == "viseme"]
    assert [e.more["viseme"] for e in visemes if e.more["viseme"] != "Sil"] == ["M", "Aa"] * 4
    assert watched.event("finished").t == pytest.approx(start + LEAD + 4 * WORD_S, abs=0.01)
    assert [s.state for s in watched.states] == ["listening", "preparing", "speaking", "listening"]


def test_the_first_clause_is_out_while_the_rest_is_being_made(loop: LoopFile, crew: Crew) -> None:
    made = []

    def slow(text: str, voice: str, settings: SpeechSettings):  # type: ignore[no-untyped-def]
        if made:
            time.sleep(0.4)
        made.append(text)
        return tone_voice(text, voice, settings)

    crew.speak = slow
    stage = Stage(loop, PatchMaker(loop), crew)
    collector = Collector(stage)
    stage.attach(collector)
    stage.say("one two three four five, six seven eight nine ten eleven twelve. thirteen fourteen.")
    eventually(lambda: collector.sounds)
    assert made == ["one two three four five,"]
    eventually(lambda: len(made) == 3)
    stage.close()


def test_sentences_join_without_a_gap_of_their_own(loop: LoopFile, crew: Crew) -> None:
    """The embedded voice sentence by sentence, against the same text at once."""
    crew.speak = embedded_voice
    stage = Stage(loop, PatchMaker(loop), crew)
    collector = Collector(stage)
    stage.attach(collector)
    text = "This is the first. Here is the second one. And the third."
    stage.say(text)
    eventually(lambda: any(c.flags & 2 for _, c in collector.sounds), 20)
    stage.close()
    assert len({c.take for _, c in collector.sounds}) == 1
    whole = speak(text, "espeak:en-us", offline=True, cache=False)
    ours, theirs = pauses(heard(collector)[1], RATE), pauses(whole.samples, whole.rate)
    assert len(ours) == len(theirs) == 2
    assert all(a - b < 0.05 for a, b in zip(ours, theirs, strict=True))


def test_a_machine_that_stood_still_goes_on_drawing(loop: LoopFile, crew: Crew) -> None:
    class Stalls(PatchMaker):
        drawn = 0

        def draw(self, *arguments: Any) -> Any:
            self.drawn += 1
            if self.drawn == 5:
                time.sleep(1.0)
            return super().draw(*arguments)

    maker = Stalls(loop)
    stage = Stage(loop, maker, crew, "espeak:tone")
    collector = Collector(stage)
    stage.attach(collector)
    stage.say("ma " * 16)
    eventually(lambda: maker.drawn > 30, 20)
    eventually(lambda: sum(bool(p.jpeg) for _, p in collector.pictures) > 20)
    stage.close()


def pauses(samples: np.ndarray, rate: int) -> list[float]:
    """Silences of more than 0.2 s between sounds, seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    gaps = np.diff(loud) / rate
    return [float(g) for g in gaps if g > 0.2]


def test_interrupting_closes_the_mouth_and_voids_what_was_sent(stage: Stage, watched: Collector) -> None:
    utterance = stage.say("ma " * 30)
    eventually(lambda: watched.pictures and stage.now > watched.event("started").t + 0.6)
    stage.interrupt()
    cut = watched.cuts[0][1]
    assert watched.cuts[0][0] - cut.t < 0.1
    assert cut.epoch == 1 and 0 < cut.frame / 25 - cut.t <= 0.06 + 1e-6
    assert utterance.over
    eventually(lambda: watched.pictures[-1][1].epoch == 1 and not watched.pictures[-1][1].jpeg)
    closing = [p for _, p in watched.pictures if p.epoch == 1]
    assert closing[0].frame - cut.frame in (0, 1), "a busy machine may be late with the first"
    assert closing[-1].t - cut.t <= 0.2, "shut within 200 ms"
    openings = [seen_opening(stage.loop, p) for p in closing]
    assert openings[-1] <= 1 and openings == sorted(openings, reverse=True)
    interrupted = watched.event("interrupted")
    assert interrupted.t == pytest.approx(cut.t, abs=0.01)
    said = interrupted.more["text"].split()
    assert abs(len(said) - (cut.t - watched.event("started").t - LEAD) / WORD_S) <= 1.1
    count = len(watched.sounds)
    time.sleep(0.3)
    assert len(watched.sounds) == count and stage.standing.state == "listening"


def test_interrupting_cancels_the_voice(stage: Stage, watched: Collector, crew: Crew) -> None:
    made: list[str] = []
    usual = crew.speak

    def spying(text: str, voice: str, settings: SpeechSettings):  # type: ignore[no-untyped-def]
        made.append(text)
        return usual(text, voice, settings)

    crew.speak = spying
    stage.say("SLOW one. SLOW two. SLOW three. SLOW four.")
    eventually(lambda: made)
    stage.interrupt()
    time.sleep(1.2)
    assert len(made) == 1 and not watched.sounds
    assert watched.kinds() == ["queued", "interrupted"]


def test_say_replaces_queue_waits_and_clear_drops(stage: Stage, watched: Collector) -> None:
    first = stage.say("ma " * 8)
    eventually(lambda: first.started)
    second, third = stage.say("two two two", queue=True), stage.say("three", queue=True)
    stage.clear()
    # The second may have been made already, as the voice works ahead; what had not begun is gone.
    assert third.over and not first.over
    fourth = stage.say("four four", queue=True)
    assert fourth.wait(15) and first.over and second.over
    assert watched.event("finished", first.number).t <= watched.event("started", fourth.number).t
    fifth = stage.say("five " * 20)
    eventually(lambda: fifth.started)
    sixth = stage.say("six")
    assert fifth.over and sixth.wait(10)
    assert watched.event("interrupted", fifth.number).t <= watched.event("started", sixth.number).t
    assert len(watched.cuts) == 1


def test_without_interrupt_say_lets_the_current_words_end(stage: Stage, watched: Collector) -> None:
    first = stage.say("ma ma ma ma")
    eventually(lambda: first.started)
    second = stage.say("two", interrupt=False)
    assert second.wait(10)
    assert not watched.cuts
    assert watched.event("finished", first.number).t <= watched.event("started", second.number).t + 1e-6


@pytest.mark.parametrize("asynchronous", [False, True])
def test_text_that_streams_in(stage: Stage, watched: Collector, asynchronous: bool) -> None:
    tokens = ["ma ma", " ma ma. ", "two ", "two", " two. And", " the", " end"]
    first_sound = threading.Event()

    def source() -> Iterator[str]:
        for k, token in enumerate(tokens):
            if k == 3:
                eventually(lambda: watched.sounds)
                first_sound.set()
            yield token

    async def asource() -> AsyncIterator[str]:
        for token in source():
            await asyncio.sleep(0.01)
            yield token

    if asynchronous:

        async def run() -> None:
            utterance = stage.say(asource())
            while not utterance.over:
                await asyncio.sleep(0.02)

        asyncio.run(run())
    else:
        assert stage.say(source()).wait(15)
    assert first_sound.is_set(), "the first sentence was heard before the text was complete"
    said = [e.more["text"] for _, e in watched.told if e.kind == "word"]
    assert said == ["ma", "ma", "ma", "ma.", "two", "two", "two.", "And", "the", "end"]
    text = "".join(tokens)
    for _, event in watched.told:
        if event.kind == "word":
            assert text[event.more["from"] : event.more["to"]] == event.more["text"]


def test_a_stream_that_breaks_off_is_told(stage: Stage, watched: Collector) -> None:
    def source() -> Iterator[str]:
        yield "one two. "
        raise RuntimeError("the model is gone")

    assert stage.say(source()).wait(10)
    assert watched.kinds("word", "viseme")[-1] == "failed"
    assert watched.sounds


def test_a_voice_that_fails_in_mid_text_says_what_it_had_and_tells(stage: Stage, watched: Collector) -> None:
    utterance = stage.say("ma ma ma. this will FAIL now. never heard.")
    assert utterance.wait(10)
    failed = watched.event("failed")
    assert failed.more["detail"] == "The voice broke down." and failed.more["hint"]
    _, samples = heard(watched)
    assert np.count_nonzero(np.abs(samples) > 0.05) / RATE > 0.5 * 3 * WORD_S
    assert failed.t == pytest.approx(watched.event("sentence").more["end"], abs=0.01)
    assert "finished" not in watched.kinds()
    again = stage.say("ma")
    assert again.wait(10) and watched.event("finished", again.number)


def test_a_voice_that_breaks_down_unexpectedly_ends_one_utterance_only(
    stage: Stage, watched: Collector, crew: Crew
) -> None:
    def broken(text: str, voice: str, settings: SpeechSettings):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError

    usual, crew.speak = crew.speak, broken
    assert stage.say("ma").wait(10)
    assert watched.event("failed").more["detail"]
    crew.speak = usual
    assert stage.say("ma").wait(10)
    assert watched.event("finished")


def test_held_and_found_again_it_goes_on_at_the_word(stage: Stage, watched: Collector) -> None:
    text = " ".join(f"w{k}" for k in range(24)) + "."
    utterance = stage.say(text)
    eventually(lambda: watched.told and "started" in watched.kinds() and stage.now > watched.event("started").t + 1.4)
    stage.detach(watched)
    lost = stage.now
    stage.hold()
    time.sleep(0.6)
    assert not utterance.over
    again = Collector(stage)
    stage.attach(again)
    stage.go_on(lost - 0.2)
    expected = int((lost - 0.2 - watched.event("started").t - LEAD) / WORD_S)
    words = [e for _, e in again.told if e.kind == "word"]
    assert words[0].more["text"] == f"w{expected}"
    assert words[0].t >= stage.now - 0.05
    assert utterance.wait(10)
    _, samples = heard(again)
    seconds = np.count_nonzero(np.abs(samples) > 0.005) / RATE
    assert seconds == pytest.approx((24 - expected) * WORD_S, rel=0.1)
    assert again.event("finished").t == pytest.approx(words[0].t + (24 - expected) * WORD_S, abs=0.05)


def test_a_late_watcher_gets_what_is_ahead(stage: Stage, watched: Collector) -> None:
    stage.say("ma " * 12)
    eventually(lambda: watched.told and "started" in watched.kinds() and stage.now > watched.event("started").t + 0.7)
    late = Collector(stage)
    stage.attach(late)
    now = stage.now
    assert late.states[0].state == "speaking"
    assert late.sounds and late.sounds[0][1].t <= now < late.sounds[-1][1].end
    assert late.pictures and late.pictures[0][1].t <= now
    assert {id(p) for _, p in late.pictures} <= {id(p) for _, p in watched.pictures}, "encoded once"
    stage.interrupt()


def test_nobody_looks_nothing_is_drawn(stage: Stage, crew: Crew) -> None:
    listener = Collector(stage, wants_pictures=False)
    stage.attach(listener)
    assert stage.say("ma ma ma").wait(10)
    assert not [p for _, p in listener.pictures if p.jpeg] and listener.sounds
    assert crew.metrics.value("pictures_drawn_total") == 0


def test_seats_are_waited_for_in_order(loop: LoopFile, crew: Crew) -> None:
    crew.seats.total = 1
    stages = [Stage(loop, PatchMaker(loop), crew) for _ in range(3)]
    collectors = [Collector(s) for s in stages]
    for stage, collector in zip(stages, collectors, strict=True):
        stage.attach(collector)
        stage.say("ma ma")
    assert [s.standing.place for s in stages] == [0, 1, 2]
    assert stages[2].standing.state == "waiting"
    eventually(lambda: all("finished" in c.kinds() for c in collectors), 20)
    eventually(lambda: crew.seats.taken == 0)
    starts = [c.sounds[0][0] + s._origin for c, s in zip(collectors, stages, strict=True)]
    assert starts == sorted(starts)
    assert [s.place for s in collectors[2].states if s.state == "waiting"] == [2, 1]
    for stage in stages:
        stage.close()


def test_a_closed_stage_gives_its_seat_and_ends_its_outputs(stage: Stage, watched: Collector, crew: Crew) -> None:
    utterance = stage.say("ma " * 20)
    eventually(lambda: crew.seats.taken == 1 and watched.sounds)
    stage.close("The server shuts down.")
    assert crew.seats.taken == 0 and utterance.over and watched.ended == "The server shuts down."
    with pytest.raises(InputError, match="closed"):
        stage.say("ma")
    late = Collector(stage)
    stage.attach(late)
    assert late.ended


def test_bounds(stage: Stage) -> None:
    for text in ("", "...", "[pause 500ms]"[:0], "?!"):
        with pytest.raises(InputError, match="nothing to say"):
            stage.say(text)
    with pytest.raises(InputError, match="more than"):
        stage.say("x" * (MAX_TEXT + 1))
    for _ in range(MAX_WAITING + 1):
        stage.say("ma " * 20, queue=True)
    with pytest.raises(InputError, match="wait already"):
        stage.say("ma", queue=True)
    stage.interrupt()
    begun = stage.begin("a" * MAX_TEXT)
    with pytest.raises(InputError, match="more than"):
        stage.add(begun, "b")
    stage.finish(begun)
    with pytest.raises(InputError, match="complete"):
        stage.add(begun, "b")


def test_a_busy_machine_skips_pictures_and_never_shifts_the_clock(loop: LoopFile, crew: Crew) -> None:
    class Slow(PatchMaker):
        def draw(self, *args):  # type: ignore[no-untyped-def]
            time.sleep(0.13)
            return super().draw(*args)

    stage = Stage(loop, Slow(loop), crew)
    collector = Collector(stage)
    stage.attach(collector)
    assert stage.say("ma " * 12).wait(10)
    eventually(lambda: collector.pictures and not collector.pictures[-1][1].jpeg)
    stage.close()
    assert all(p.t == p.frame / 25 for _, p in collector.pictures)
    assert all(came - p.t < 0.05 for came, p in collector.pictures), "nothing late is sent"
    drawn = len(collector.pictures)
    assert 8 < drawn < 40, "frames are skipped, and the motion goes on to the end"
    assert crew.metrics.value("pictures_skipped_total") > 20
    start, samples = heard(collector)
    assert collector.event("finished").t == pytest.approx(start + len(samples) / RATE, abs=0.3)


def test_pictures_are_of_the_size_they_say(stage: Stage, watched: Collector) -> None:
    assert stage.say("ma ma").wait(10)
    for _, picture in watched.pictures:
        if picture.jpeg:
            assert decode(picture.jpeg).shape == (picture.height, picture.width, 3)
            assert picture.x + picture.width <= SIZE[0] and picture.y + picture.height <= SIZE[1]
