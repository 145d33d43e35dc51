"""Notes and errors in Russian: every one has a text, and the page shows it."""

from __future__ import annotations

import json
import re
from importlib import resources

import numpy as np
import pytest

from tests.messages import ENGLISH_ONLY, Said, sentences
from visema.errors import InputError, VoiceError
from visema.message import Message, from_json, message_of, to_json
from visema.paths import ROOT
from visema.speech.speak import speak
from visema.web.texts import in_language, localised

SAID = list(sentences())
ROWS = [
    row.split("\t")
    for row in resources.files("visema.web").joinpath("messages.tsv").read_text(encoding="utf-8").splitlines()[1:]
]
RUSSIAN = {row[0]: row[1] for row in ROWS}


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("said", SAID, ids=[f"{s.where}-{n}" for n, s in enumerate(SAID)])
def test_every_note_and_error_has_a_russian_text(said: Said) -> None:
    assert said.template, f"{said.where} puts its sentence together itself: give a template and its values"
    assert said.template in RUSSIAN, f"{said.where} has no line in visema/web/messages.tsv"


def test_the_table_is_sound() -> None:
    assert len(SAID) > 200
    assert all(len(row) == 2 and all(row) for row in ROWS)
    assert len(RUSSIAN) == len(ROWS), "a sentence is there twice"
    for english, russian in RUSSIAN.items():
        assert places(russian) <= places(english), english
        assert any("а" <= c <= "я" for c in russian.lower()), english
    stale = set(RUSSIAN) - {s.template for s in SAID}
    assert not stale, "nothing says these any more"
    files = [path.relative_to(ROOT / "visema").as_posix() for path in (ROOT / "visema").rglob("*.py")]
    assert all(any(name.startswith(start) for name in files) for start in ENGLISH_ONLY)


def test_values_and_messages_in_messages() -> None:
    note = speak("Hello.", "en-US-JennyNeural", offline=True, cache=False).notes[0]
    assert note.startswith("The network voice en-US-JennyNeural does not speak. The network is switched off. ")
    told = in_language(note, "ru")
    assert told == (
        "Облачный голос en-US-JennyNeural не говорит. Работа с сетью отключена. "
        "Вместо него говорит встроенный голос espeak:en-us+f3."
    )
    assert in_language(note, "en") == note
    with pytest.raises(InputError) as caught:
        speak("Hello.", "espeak", settings_of(rate=9.0))
    assert str(caught.value) == "The rate 9 is out of range. Give a rate from 0.5 to 2.5."
    assert (
        in_language(caught.value.message, "ru") == "Недопустимое значение 9: скорость. Нужно значение от 0.5 до 2.5."
    )
    with pytest.raises(VoiceError) as unknown:
        speak("Hello.", "Jenny", offline=True)
    assert "Возможно, имелось в виду: en-US-JennyNeural?" in in_language(unknown.value.message, "ru")


def settings_of(rate: float):  # type: ignore[no-untyped-def]
    from visema.speech.types import SpeechSettings

    return SpeechSettings(rate=rate)


def test_what_is_no_message_stays() -> None:
    assert in_language("Нет такого.", "ru") == "Нет такого."
    told = {"notes": (Message("The stage is closed."), "x"), "n": 1, "more": [{"hint": Message("Try again.")}]}
    russian = {"notes": ["Сцена закрыта.", "x"], "n": 1, "more": [{"hint": "Попробуйте ещё раз."}]}
    assert localised(told, "ru") == russian
    assert localised(told, "en")["notes"] == ["The stage is closed.", "x"]
    assert Message("a {b} {c}", b="{c}", c=1) == "a {c} 1"
    braces = InputError("There is no file {x}.")
    assert braces.what == "There is no file {x}."


def test_messages_survive_json_and_nothing_else_does() -> None:
    inner = Message("The network is switched off.")
    for message in (Message("plain"), Message("{a} of {b}", a=1, b="two"), Message("{note} {n}", note=inner, n=3)):
        again = from_json(json.loads(json.dumps(to_json(message))))
        assert again == message and again.template == message.template
        assert in_language(again, "ru") == in_language(message, "ru")
    for bad in (1, None, [], {"template": "x"}, {"template": 1, "values": {}}, {"template": "x", "values": []}):
        with pytest.raises(ValueError, match="note"):
            from_json(bad)
    deep: object = "x"
    for _ in range(9):
        deep = {"template": "{a}", "values": {"a": deep}}
    with pytest.raises(ValueError, match="note"):
        from_json(deep)
    assert message_of(inner) is inner
    assert np.asarray([inner])[0] == inner
