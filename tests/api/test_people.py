"""Avatars, voices and speech over the API."""

from __future__ import annotations

import base64
import io
import wave
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.api.conftest import VOICE, Caller, Platform, lines_of, refused
from visema.speech.speak import speak
from visema.web.sound import wav_bytes
from visema.web.v1.telling import spoken_report

CONSENT = {"consent": "I agree that my voice may be imitated here.", "consent_by": "Ada Lovelace"}


def read_wav(data: bytes) -> tuple[np.ndarray, int]:
    with wave.open(io.BytesIO(data)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


# -- avatars ----------------------------------------------------------------------------------------------------------


def test_the_servers_avatar_is_everybodys_to_use_and_nobodys_to_delete(platform: Platform, ada: Caller) -> None:
    avatar = next(one for one in ada.get("/avatars")["avatars"] if one["default"])
    assert avatar["name"] and avatar["kind"] == "video" and not avatar["own"] and avatar["consent"] is None
    assert ada.get(f"/avatars/{avatar['id']}") == avatar
    for name in ("thumbnail", "contact_sheet"):
        answer = ada.ask("GET", avatar[name])
        assert answer.headers["content-type"] == "image/png"
        image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.std() > 10
    refused(ada.ask("DELETE", f"/avatars/{avatar['id']}"), 403)
    refused(platform.admin.ask("DELETE", f"/avatars/{avatar['id']}"), 409, "stage")
    for path in (
        "/avatars/nobody-12345678",
        "/avatars/nobody-12345678/thumbnail.png",
        "/avatars/A",
        "/avatars/..%2fx",
    ):
        refused(ada.ask("GET", path), 404)


def test_training_needs_a_file_and_takes_nothing_unknown(ada: Caller) -> None:
    refused(ada.ask("POST", "/avatars/train", files={"name": (None, "Ada")}), 422, "source")
    refused(ada.ask("POST", "/avatars/train", json={"name": "Ada"}), 415)
    form = {"source": b"x", "id": (None, "mine")}
    refused(ada.ask("POST", "/avatars/train", files=form), 422, "no field 'id'")
    refused(ada.ask("POST", "/avatars/train", files={"source": b"x" * (5 << 20)}), 413)
    refused(ada.ask("POST", "/avatars/train", files={"source": b"x", "consent": (None, "yes")}), 422, "consent")


def test_an_avatar_is_trained_used_and_deleted(platform: Platform, ada: Caller, photo: bytes) -> None:
    form = {"name": "Ada", "consent": "I agree that my face may speak here.", "consent_by": "Ada Lovelace"}
    once = {"Idempotency-Key": "train"}
    answer = ada.ask("POST", "/avatars/train", files={"source": ("face.jpg", photo)}, data=form, headers=once)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job_id"]
    again = ada.ask("POST", "/avatars/train", files={"source": ("face.jpg", photo)}, data=form, headers=once)
    assert again.json()["job_id"] == job
    told = ada.done(job)
    assert told["kind"] == "train" and told["links"]["video"] is None and told["links"]["avatar"]
    avatar = ada.get(told["links"]["avatar"])
    assert avatar["own"] and avatar["name"] == "Ada" and avatar["kind"] == "photo" and not avatar["default"]
    assert avatar["consent"]["who"] == "Ada Lovelace" and avatar["consent"]["text"] == form["consent"]
    assert {"sharpness", "light", "pose", "occlusion", "mouth"} <= set(avatar["report"])
    refused(ada.ask("GET", f"/video/{job}"), 404)
    name = avatar["id"]
    video = ada.done(ada.begin(text="I am Ada.", avatar=name))
    assert ada.ask("GET", video["links"]["video"]).content[4:8] == b"ftyp"
    # To another key it is not there.
    bob = platform.bob
    assert name not in str(bob.get("/avatars"))
    for method, path in (
        ("GET", f"/avatars/{name}"), ("GET", f"/avatars/{name}/thumbnail.png"), ("DELETE", f"/avatars/{name}"),
    ):  # fmt: skip
        refused(bob.ask(method, path), 404)
    refused(bob.generate(text="I am Ada.", avatar=name), 404)
    assert name in str(platform.admin.get("/avatars"))
    # The same photo is another avatar for somebody else.
    other = bob.ask("POST", "/avatars/train", files={"source": ("face.jpg", photo)}).json()["job_id"]
    assert bob.done(other)["result"]["avatar"] != name
    assert ada.ask("DELETE", f"/avatars/{name}").status_code == 204
    refused(ada.ask("GET", f"/avatars/{name}"), 404)
    assert not list((platform.folder / "cache").glob(f"{name}*"))


def test_what_holds_no_face_becomes_no_avatar(ada: Caller) -> None:
    flat = cv2.imencode(".png", np.full((256, 256, 3), 128, np.uint8))[1].tobytes()
    for data, code in ((flat, "no_face"), (b"neither", "bad_media")):
        answer = ada.ask("POST", "/avatars/train", files={"source": ("x", data)})
        if answer.status_code != 202:
            refused(answer, 422)
            continue
        told = ada.over(answer.json()["job_id"])
        assert told["state"] == "failed" and told["error"]["error"] == code, told


# -- voices -----------------------------------------------------------------------------------------------------------


def test_voices_by_language_gender_and_engine(ada: Caller) -> None:
    everything = ada.get("/voices")
    names = [voice["name"] for voice in everything["voices"]]
    assert len(set(names)) == len(names) > 100 and {"espeak", "edge"} <= set(everything["engines"])
    assert VOICE in names and "ru" in everything["languages"]
    german = ada.get("/voices", language="de", gender="female", engine="edge")["voices"]
    assert german and all(
        voice["language"].startswith("de") and voice["gender"] == "female" and voice["engine"] == "edge"
        for voice in german
    )
    for wrong in ({"gender": "other"}, {"language": "-"}, {"engine": "a b"}):
        refused(ada.ask("GET", "/voices", params=wrong), 422)


@pytest.mark.parametrize("name", [VOICE, "espeak:ru", "espeak:ka"])
def test_a_voice_is_heard_before_it_is_chosen(ada: Caller, name: str) -> None:
    answer = ada.ask("GET", f"/voices/{name}/preview")
    assert answer.status_code == 200 and answer.headers["content-type"] == "audio/wav"
    samples, rate = read_wav(answer.content)
    assert 0.5 < len(samples) / rate < 8 and np.abs(samples).max() > 2000


def test_no_other_voice_is_heard_in_place_of_one_that_cannot_speak(ada: Caller) -> None:
    refused(ada.ask("GET", "/voices/en-US-JennyNeural/preview"), 409, "cannot speak")
    refused(ada.ask("GET", "/voices/espeak:nobody/preview"), 404)


def test_a_voice_match_is_made_heard_and_deleted(platform: Platform, ada: Caller) -> None:
    spoken = speak(
        "The birch canoe slid on the smooth planks. Glue the sheet to the blue background. " * 3, "espeak:en-gb"
    )
    sample = wav_bytes(spoken.samples, spoken.rate)

    def make(caller: Caller, **fields: str) -> object:
        return caller.ask("POST", "/voices/clone", files={"sample": ("me.wav", sample)}, data=fields)

    refused(make(ada, name="Ada"), 422, "consent")
    refused(make(ada, name="Ada", consent="yes"), 422, "consent")
    refused(make(ada, name="../Ada", **CONSENT), 422, "name")
    refused(make(ada, name="Ada", key="bob", **CONSENT), 422, "no field")
    refused(ada.ask("POST", "/voices/clone", files={"name": (None, "Ada")}, data=CONSENT), 422)
    silence = wav_bytes(np.zeros(22050, np.float32), 22050)
    refused(ada.ask("POST", "/voices/clone", files={"sample": silence}, data={"name": "Ada", **CONSENT}), 422)
    answer = make(ada, name="Ada", **CONSENT)
    assert answer.status_code == 201, answer.text
    own = answer.json()
    assert own["name"] == "voice:Ada" and own["kind"] == "voice match" and "not a clone" in own["said"]
    assert own["consent"]["who"] == "Ada Lovelace" and own["own"] and not own["cloud"]
    assert abs(own["after"]["semitones"]) <= abs(own["before"]["semitones"]) + 0.1
    assert "voice:Ada" in str(ada.get("/voices", engine="voice"))
    assert ada.ask("GET", own["preview"]).status_code == 200
    assert ada.ask("POST", "/tts", json={"text": "It is me.", "voice": "voice:Ada"}).json()["voice"] == "voice:Ada"
    # Nobody else has it, though nobody else can take its name.
    bob = platform.bob
    assert "voice:Ada" not in str(bob.get("/voices"))
    for name in ("voice:Ada", "voice:ADA", "VOICE:ada"):
        refused(bob.ask("POST", "/tts", json={"text": "It is me.", "voice": name}), 422, "no voice")
        refused(bob.generate(text="It is me.", voice=name), 422, "no voice")
        refused(bob.ask("GET", f"/voices/{name}/preview"), 404)
        refused(bob.ask("DELETE", f"/voices/{name}"), 404)
    refused(make(bob, name="ada", **CONSENT), 409, "taken")
    assert ada.ask("DELETE", "/voices/voice:Ada").status_code == 204
    refused(ada.ask("DELETE", "/voices/voice:Ada"), 404)
    refused(ada.ask("DELETE", f"/voices/{VOICE}"), 404)
    refused(ada.generate(text="It is me.", voice="voice:Ada"), 422, "no voice")


# -- speech -----------------------------------------------------------------------------------------------------------


def test_speech_comes_with_its_times(ada: Caller) -> None:
    text = "Good morning, dear friends."
    told = ada.ask("POST", "/tts", json={"text": text, "voice": VOICE}).json()
    samples, rate = read_wav(base64.b64decode(told["audio"]))
    assert rate == told["rate"] and abs(len(samples) / rate - told["duration"]) < 0.001
    same = speak(text, VOICE)
    for word, (start, end, label) in zip(told["words"], same.words, strict=True):
        # espeak-ng itself is not the same to the hundredth of a second after it has spoken other words.
        assert word["text"] == label and word["start"] == pytest.approx(start, abs=0.03)
        assert word["end"] == pytest.approx(end, abs=0.03)
    assert [word["text"] for word in told["words"]] == ["Good", "morning,", "dear", "friends."]
    visemes = told["visemes"]
    assert visemes[0]["start"] == 0 and abs(visemes[-1]["end"] - told["duration"]) < 0.001
    assert all(abs(a["end"] - b["start"]) < 0.001 for a, b in pairwise(visemes))
    assert any(one["viseme"] == "M" for one in visemes)
    slow = ada.ask("POST", "/tts", json={"text": text, "voice": VOICE, "rate": 0.5}).json()
    assert slow["duration"] > 1.6 * told["duration"]
    wav = ada.ask("POST", "/tts", json={"text": text, "voice": VOICE}, headers={"Accept": "audio/wav"})
    assert wav.headers["content-type"] == "audio/wav" and wav.content == base64.b64decode(told["audio"])


def test_speech_is_streamed_sentence_by_sentence(ada: Caller) -> None:
    text = "One sentence. Another one. And a third."
    answer = ada.ask("POST", "/tts", json={"text": text, "voice": VOICE, "stream": True})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *parts, last = lines_of(answer)
    assert [part["text"].strip() for part in parts] == ["One sentence.", "Another one.", "And a third."]
    begin = 0.0
    for part in parts:
        assert abs(part["begin"] - begin) < 0.001
        begin += part["duration"]
    assert last == {"end": True, "duration": pytest.approx(begin, abs=0.001)}
    refused(ada.ask("POST", "/tts", json={"text": text, "voice": "espeak:nobody", "stream": True}), 422)


def test_a_cloud_voice_that_is_away_is_said_to_be(ada: Caller) -> None:
    told = ada.ask("POST", "/tts", json={"text": "Hello.", "voice": "en-US-JennyNeural"}).json()
    assert told["voice"].startswith("espeak:") and "switched off" in told["notes"][0]
    job = ada.done(ada.begin(text="Hello.", voice="en-US-JennyNeural", resolution="64x64"))
    assert "switched off" in " ".join(job["notes"]) and job["notes"][0] in job["message"]


def test_usage_is_ones_own(platform: Platform, ada: Caller) -> None:
    video = ada.done(ada.begin(text="This is counted.", resolution="64x64"))
    told = ada.get("/usage")
    assert told["video_seconds"] >= video["duration"] - 0.01 and told["storage_bytes"] >= video["bytes"]
    assert told["key"] and told["key"] != platform.bob.get("/usage")["key"]


def test_what_cannot_be_spoken_is_refused(ada: Caller) -> None:
    refused(ada.ask("POST", "/tts", json={"text": "Hi.", "rate": 5}), 422, "rate")
    refused(ada.ask("POST", "/tts", json={"text": "a" * 5001}), 422, "text")
    refused(ada.ask("POST", "/tts", content=b"{", headers={"Content-Type": "application/json"}), 400, "JSON")


def test_the_advice_of_a_report_is_in_the_language_of_who_asks() -> None:
    advice = "The face is too dark or too bright. Light it from the front."
    kept = {"score": 0.2, "light": {"score": 0.2, "advice": advice}}
    told = spoken_report(kept, "ru")
    assert told and told["score"] == 0.2 and told["light"]["advice"].startswith("Лицо слишком тёмное")
    assert spoken_report(kept, "en") == kept and spoken_report(None, "ru") is None
