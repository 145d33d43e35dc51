"""The live player in a real browser, with a face and a voice whose every moment is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.live.conftest import WORD_S, Server, eventually
from tests.stage.conftest import FPS, FRAMES
from tests.web_live.conftest import Open, Visit, Wire
from visema.speech.speak import LEAD

pytestmark = pytest.mark.browser

Serve = Callable[..., Server]

#: Pixels of the mouth's height: shut, and surely open ("ɑ" is 20 or more).
SHUT, OPEN = 2, 8
NO_OPUS = "OfflineAudioContext.prototype.decodeAudioData = () => Promise.reject(new Error('no Opus here'));"


def at_home(server: Server) -> str:
    return f"{server.address}/live/tiny"


def heard_times(visit: Visit, first: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Media time by the sound that was being heard, loop frame and mouth of everything that the canvas showed."""
    seen = visit.page.evaluate("seen")
    sound, start = seen["sounds"][first], seen["starts"][first]
    frames = seen["frames"]
    media = np.array([f["heard"] - start["when"] + sound["t"] for f in frames])
    return media, np.array([f["index"] for f in frames]), np.array([f["open"] for f in frames])


def test_the_mouth_moves_with_the_sound(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("ma " * 12)
    visit.happened("finished")
    media, index, mouth = heard_times(visit)
    begin = visit.page.evaluate("seen.sounds[0].t") + LEAD
    said = (media > begin) & (media < begin + 12 * WORD_S)
    # Which frame of the loop is due when is the protocol's first rule.
    changed = said & (np.diff(index, prepend=-1) != 0)
    due = media[changed] * FPS
    off = (due - index[changed] + FRAMES / 2) % FRAMES - FRAMES / 2
    skew = 1000 * off / FPS
    assert changed.sum() > 30
    assert abs(np.median(skew)) < 40, f"the picture is {np.median(skew):.0f} ms off the sound"
    # And what the mouth does is "m" for 80 ms, then "a" for 170, by the sound's own time.
    phase = (media - begin) % WORD_S
    lips = np.median(mouth[said & (phase > 0.03) & (phase < 0.06)])
    vowel = np.median(mouth[said & (phase > 0.15) & (phase < 0.21)])
    assert lips <= SHUT and vowel >= OPEN, (lips, vowel)


def test_pieces_of_sound_adjoin(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("ma " * 12)
    visit.happened("finished")
    starts = visit.page.evaluate("seen.starts")
    assert len(starts) > 4
    ends = [s["when"] + s["duration"] for s in starts]
    assert np.abs(np.array(ends[:-1]) - [s["when"] for s in starts[1:]]).max() < 2 / 48_000
    assert visit.run("a.stats.total.dropouts") == 0
    assert {s["codec"] for s in visit.page.evaluate("seen.sounds")} == {2}


def test_a_browser_without_opus_gets_pcm(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()), script=NO_OPUS)
    visit.say("ma ma ma")
    visit.happened("finished")
    assert {s["codec"] for s in visit.page.evaluate("seen.sounds")} == {1}
    assert len(visit.page.evaluate("seen.starts")) == len(visit.page.evaluate("seen.sounds"))


def test_captions_follow_the_word(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.page.evaluate(
        "window.marked = []; avatar().addEventListener('word', ({ detail }) => marked.push([detail.text,"
        " avatar().shadowRoot.querySelector('.captions .now')?.textContent]))"
    )
    words = "one two three four, five six."
    visit.say(words)
    visit.happened("finished")
    marked = visit.page.evaluate("marked")
    assert [word for word, _ in marked] == words.split()
    assert all(word == shown for word, shown in marked)
    visit.page.get_by_role("button", name="captions").click()
    assert not visit.page.locator(".captions").is_visible()
    visit.page.get_by_role("button", name="captions").click()
    assert visit.page.locator(".captions").is_visible()


def test_interrupt_silences_and_shuts_the_mouth(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("ma " * 40)
    visit.happened("word", 4)
    visit.until("seen.frames.at(-1).open >= x", OPEN)
    at = visit.run("(a.interrupt(), performance.now() / 1000)")
    assert not visit.run("a.player.sound.sounding"), "sound stops before the server answers"
    assert visit.page.evaluate("seen.stops") > 0
    visit.happened("interrupted")
    visit.until("a.state === 'listening'")
    visit.page.wait_for_timeout(400)
    after = [f["open"] for f in visit.frames() if f["at"] > at + 0.001]
    shut = next(k for k, height in enumerate(after) if height <= SHUT)
    assert max(after[shut:]) <= SHUT, "it stays shut"
    # What was due when the cut came is still shown; from its widest on the mouth only shuts, and not at one blow.
    closing = after[int(np.argmax(after)) : shut + 1]
    assert np.diff(closing).max(initial=0) <= 4, "it does not open again"
    assert any(SHUT < height < closing[0] - 4 for height in closing), "it shuts by a motion, not by a jump"
    said = len(visit.words())
    visit.page.wait_for_timeout(600)
    assert len(visit.words()) == said


def test_what_is_queued_comes_after_and_can_be_cleared(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("one two three")
    more = ["four"] * 12
    visit.say(" ".join(more), "queue")
    visit.say("never never", "queue")
    visit.happened("word", 4)
    visit.run("a.clear()")
    visit.happened("finished", 2)
    visit.until("a.state === 'listening'")
    assert visit.words() == ["one", "two", "three", *more]


def test_a_text_that_is_still_being_written(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.page.evaluate("window.pen = avatar().stream(); pen.write('One two three. Fo')")
    visit.happened("word", 2)
    visit.page.evaluate("pen.write('ur five.'); pen.end()")
    visit.happened("finished")
    assert visit.words() == ["One", "two", "three.", "Four", "five."]


def test_an_idle_viewer_is_sent_nothing_and_the_loop_goes_on(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.until("a.player.loop.count && seen.frames.length > 10")
    visit.page.wait_for_timeout(1200)  # the first pings have been answered
    before, frames = visit.page.evaluate("[seen.bytes, seen.frames.length]")
    visit.page.wait_for_timeout(2000)
    after, shown = visit.page.evaluate("[seen.bytes, seen.frames.slice(0).map((f) => f.index)]")
    assert after - before < 1024
    index = np.array(shown[frames:])
    steps = np.diff(index) % FRAMES
    assert steps.sum() >= 25, "the picture moves"
    assert steps.max() <= 8, "and never cuts"


def test_a_clock_that_is_set_back_a_little_holds_the_picture(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.until("a.player.loop.count && seen.frames.length > 10")
    back = "const c = avatar().player.clock; if (c.running) c.offset += 0.09; else c.silent -= 0.09;"
    before = visit.page.evaluate(f"() => {{ {back} return seen.frames.length; }}")
    visit.page.wait_for_timeout(600)
    index = np.array([frame["index"] for frame in visit.frames()[before - 1 :]])
    steps = np.diff(index) % FRAMES
    assert 5 <= steps.sum() <= 30 and steps.max() <= 8


def test_idle_to_speaking_and_back_without_a_jump(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("ma ma ma")
    visit.happened("finished")
    visit.until("a.state === 'listening'")
    visit.page.wait_for_timeout(300)
    frames = visit.frames()
    steps = np.diff([f["index"] for f in frames]) % FRAMES
    assert steps.max() <= 8, "the loop goes on through speech"
    assert frames[0]["open"] <= SHUT and frames[-1]["open"] <= SHUT


def test_a_network_that_is_cut_and_comes_back(serve: Serve, watch: Open, wire: Callable[[int], Wire]) -> None:
    server = serve()
    line = wire(server.port)
    visit = watch(f"http://127.0.0.1:{line.port}/live/tiny")
    text = [f"w{k}" for k in range(24)]
    visit.say(" ".join(text))
    visit.happened("word", 5)
    line.cut()
    visit.until("a.state === 'lost'")
    visit.page.wait_for_timeout(700)
    line.mend()
    visit.happened("finished")
    words = visit.words()
    assert words[-1] == "w23" and set(words) == set(text), "nothing is lost"
    assert len(words) <= len(text) + 2, f"at most the word that was cut is said again: {words}"


def test_a_tab_that_sleeps_wakes_up_in_step(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    tools = visit.page.context.new_cdp_session(visit.page)
    tools.send("Page.setWebLifecycleState", {"state": "frozen"})
    visit.page.wait_for_timeout(3000)
    tools.send("Page.setWebLifecycleState", {"state": "active"})
    visit.until("a.state === 'listening'")
    visit.page.evaluate("seen.sounds.length = seen.starts.length = seen.frames.length = 0")
    visit.say("ma " * 8)
    visit.happened("finished")
    media, index, _ = heard_times(visit)
    begin = visit.page.evaluate("seen.sounds[0].t") + LEAD
    said = (media > begin) & (media < begin + 8 * WORD_S) & (np.diff(index, prepend=-1) != 0)
    off = (media[said] * FPS - index[said] + FRAMES / 2) % FRAMES - FRAMES / 2
    assert abs(np.median(off)) / FPS < 0.04


def test_the_line_for_a_seat_shows_the_place(serve: Serve, watch: Open) -> None:
    server = serve(seats=1)
    first, second = watch(at_home(server)), watch(at_home(server))
    first.say("ma " * 60)
    first.happened("word")
    second.say("me too")
    second.until("a.state === 'waiting'")
    assert "1" in second.page.locator("visema-avatar .state .label").inner_text()
    first.run("a.interrupt()")
    second.happened("finished")
    assert second.words() == ["me", "too"]


def test_a_closed_tab_frees_everything(serve: Serve, watch: Open) -> None:
    server = serve()
    visit = watch(at_home(server))
    visit.say("ma " * 60)
    visit.happened("word")
    assert server.value("seats_taken") == 1
    visit.page.close()
    eventually(lambda: not (server.value("sessions") or server.value("seats_taken") or server.value("viewers")))


def test_a_voice_that_fails_in_mid_text_is_told(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()))
    visit.say("One two three. FAIL now.")
    visit.happened("failed")
    assert visit.words() == ["One", "two", "three."]
    assert "The voice broke down" in visit.page.locator("visema-avatar .note").inner_text()
    visit.until("a.state === 'listening'")
    visit.say("Well again.")
    visit.happened("finished")


def test_two_visitors_have_their_own_and_a_shared_stage_is_one(serve: Serve, watch: Open) -> None:
    server = serve()
    first, second = watch(at_home(server)), watch(at_home(server))
    first.say("mine alone")
    first.happened("finished")
    assert second.words() == []
    shared = serve(shared=True)
    left, right = watch(at_home(shared)), watch(at_home(shared))
    left.say("for all of us")
    left.happened("finished")
    right.happened("finished")
    assert right.words() == left.words() == ["for", "all", "of", "us"]


def test_the_page_speaks_russian_and_fits_a_phone(serve: Serve, watch: Open) -> None:
    server = serve()
    visit = watch(at_home(server), language="ru-RU", width=360)
    assert "Слушает" in visit.page.locator("visema-avatar .state .label").inner_text()
    visit.page.get_by_role("textbox").fill("ма ма")
    visit.page.get_by_role("button", name="Сказать").click()
    visit.happened("finished")
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    missing = watch(f"{server.address}/live/nobody", shown=False)
    assert "Visema" in missing.page.inner_text("body")
    assert visit.run("a.player.clock.server !== null")


def test_the_panel_shows_what_is_measured(serve: Serve, watch: Open) -> None:
    visit = watch(at_home(serve()) + "?stats")
    visit.say("ma " * 16)
    visit.happened("finished")
    visit.page.wait_for_timeout(1500)
    panel = dict(
        visit.run(
            "[...a.shadowRoot.querySelectorAll('dl.stats dt')].map((d) => [d.textContent,"
            " d.nextElementSibling.textContent])"
        )
    )
    mine = ("first sound", "first picture", "skew, median", "pictures a second")
    for name in (*mine, "server: viewers", "server: draw", "server: first sound"):
        assert any(c.isdigit() for c in panel[name]), (name, panel)
