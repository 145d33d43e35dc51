"""What films say of where they come from: written, read, changed, stripped, looked up."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import sqlalchemy as sa

from visema.cli.main import main as video_py
from visema.cli.platform import main as visema
from visema.media.encode import Mp4Writer
from visema.paths import ASSETS
from visema.provenance import Facts, facts_of, read_mark, signing
from visema.provenance.boxes import C2PA_BOX, XMP_BOX, top_boxes
from visema.service import provenance
from visema.service.migrate import migrate

FACTS = Facts("warp", "espeak:en-us", "anna-1", "ab" * 32, {"face": "Consent by Anna B.: yes, use my face."})
needs_c2pa = pytest.mark.skipif(not signing.installed(), reason="c2pa-python or cryptography is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VISEMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VISEMA_OUTPUTS", str(tmp_path / "outputs"))
    yield tmp_path / "cache"


def film(path: Path, facts: Facts | None = FACTS, shade: int = 128) -> Mp4Writer:
    with Mp4Writer(path, (64, 64), 25, 22050, facts=facts) as writer:
        for number in range(10):
            writer.write_audio(np.sin(np.arange(882, dtype=np.float32) * 0.1))
            writer.write(np.full((96, 64), shade + number, np.uint8))
    return writer


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as box:
        return [bytes(packet) for packet in box.demux() if packet.size]


def kinds(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [box.uuid or box.kind for box in top_boxes(file)]


@needs_c2pa
def test_a_film_says_three_times_that_it_is_synthetic(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a.mp4"
    mark = film(path).mark
    assert mark and mark.signed and mark.facts is FACTS
    found = read_mark(path)
    assert found and found.id == mark.id and len(mark.id) == 32
    assert found.found == ("comment", "xmp", "c2pa") and found.state == "Valid"
    assert found.source_type == "compositeSynthetic" and found.facts["engine"] == "warp"
    assert "Anna" not in str(found) and len(found.facts["consent_face"]) == 64, "nobody is named in the file"
    assert b"Anna" not in path.read_bytes()
    there = kinds(path)
    assert there.index(b"moov") < there.index(b"mdat"), "it plays while it is loaded"
    assert there[-1] == XMP_BOX and there.count(C2PA_BOX) == 1
    key = cache / "provenance" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    kept = key.read_bytes()
    film(tmp_path / "b.mp4")
    assert key.read_bytes() == kept
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "cache"]


def test_without_the_library_the_metadata_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISEMA_C2PA", "0")
    path = tmp_path / "a.mp4"
    mark = film(path, Facts("wav2lip", "")).mark
    assert mark and not mark.signed
    found = read_mark(path)
    assert found and found.found == ("comment", "xmp") and found.state == ""
    assert found.source_type == "compositeWithTrainedAlgorithmicMedia" and found.facts["voice"] == "recording"
    with av.open(str(path)) as box:
        assert mark.id in box.metadata["comment"] and box.metadata["comment"].startswith("Synthetic media")


@needs_c2pa
def test_a_failing_signature_is_told_and_the_film_is_there(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = signing.credentials()
    (folder / "chain.pem").write_text("no certificate")
    mark = film(tmp_path / "a.mp4").mark
    assert mark and not mark.signed and "could not be signed" in caplog.text
    found = read_mark(tmp_path / "a.mp4")
    assert found and found.found == ("comment", "xmp")
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".mp4"] == ["a.mp4"]


def test_pictures_and_sound_are_those_of_an_unmarked_film(tmp_path: Path) -> None:
    film(tmp_path / "marked.mp4")
    film(tmp_path / "plain.mp4", None)
    assert packets(tmp_path / "marked.mp4") == packets(tmp_path / "plain.mp4")
    assert read_mark(tmp_path / "plain.mp4") is None


def test_the_id_is_the_film_s_and_its_maker_s(tmp_path: Path) -> None:
    marks = [
        film(tmp_path / "1.mp4").mark,
        film(tmp_path / "2.mp4").mark,
        film(tmp_path / "3.mp4", shade=90).mark,
        film(tmp_path / "4.mp4", Facts("warp", "espeak:de")).mark,
        film(tmp_path / "5.mp4", Facts("warp", "espeak:de", salt="job")).mark,
    ]
    ids = [mark.id for mark in marks if mark]
    assert ids[0] == ids[1] and len(set(ids)) == 4
    assert b"job" not in (tmp_path / "5.mp4").read_bytes()


@needs_c2pa
def test_a_changed_picture_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    film(path)
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        at = next(box for box in top_boxes(file) if box.kind == b"mdat").content + 700
    data[at] ^= 1
    path.write_bytes(data)
    found = read_mark(path)
    assert found and found.state == "Invalid"


def test_what_copies_streams_keeps_the_comment(tmp_path: Path) -> None:
    mark = film(tmp_path / "a.mp4").mark
    with av.open(str(tmp_path / "a.mp4")) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        new.metadata.update(old.metadata)
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    found = read_mark(tmp_path / "b.mp4")
    assert mark and found and (found.id, found.found) == (mark.id, ("comment",))


@pytest.mark.parametrize(
    "content",
    [b"", b"<", b"<a/>", b"\xff\xfe", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" * 2000, b"x" * 70_000],
)
def test_a_strange_packet_is_no_statement(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    film(path, None)
    with path.open("ab") as file:
        file.write((24 + len(content)).to_bytes(4, "big") + b"uuid" + XMP_BOX + content)
    assert read_mark(path) is None


def test_films_of_the_command_line(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--offline", "--voice", "espeak:en-us", "--text", "Hi.", "--resolution", "160x160", "--mark"]
    consent = ["--consent", "Yes, my face may say that.", "--consent-by", "Anna B."]
    photo, talk = tmp_path / "photo.mp4", tmp_path / "talk.mp4"
    face = str(ASSETS / "presenter.png")
    assert video_py([*common, *consent, "--video", face, "--save", str(photo)]) == 0
    assert video_py(["--setup", *consent]) == 0
    assert video_py([*common, "--save", str(talk)]) == 0
    capsys.readouterr()
    for path in (photo, talk):
        assert visema(["provenance", str(path), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["found"][:2] == ["comment", "xmp"] and told["facts"]["visible_mark"] == "yes"
        assert len(told["facts"]["consent_face"]) == 64
    manifest = json.loads(next(cache.glob("video04-*/avatar.json")).read_text("utf-8"))
    assert manifest["source"]["consent"].startswith("Consent by Anna B., 20")
    assert visema(["provenance", str(talk)]) == 0
    assert "compositeSynthetic" in capsys.readouterr().out
    assert video_py(["--setup", "--consent", "ok", "--consent-by", "Anna"]) == 2
    film(tmp_path / "plain.mp4", None)
    assert visema(["provenance", str(tmp_path / "plain.mp4")]) == 2
    assert visema(["provenance", "0" * 32]) == 2
    assert visema(["provenance", face]) in (0, 2)


def test_a_film_is_looked_up_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp4"
    mark = film(path).mark
    assert mark
    (tmp_path / "outputs").mkdir()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'outputs' / 'jobs.db'}")
    migrate(engine)
    row = provenance.film_row(mark, path, "job-1", "key-1")
    with engine.begin() as connection:
        provenance.keep(connection, row)
        provenance.keep(connection, row)
    found = provenance.look_up(engine, mark.id)
    assert found and found["job"] == "job-1" and found["facts"]["consents"]["face"].startswith("Consent by Anna")
    assert provenance.look_up(engine, "0" * 32) is None
    assert visema(["provenance", mark.id]) == 0
    assert "Anna B." in capsys.readouterr().out
    engine.dispose()


def test_the_consent_of_a_voice_is_among_the_facts(cache: Path) -> None:
    from visema.consent import Consent
    from visema.speech.own_voices import OwnVoice, _keep

    agreed = Consent.given("My voice may be used for this.", "Ben C.")
    _keep(OwnVoice("Ben", "clone", "elevenlabs:xyz", "mul", agreed, "0" * 64))
    assert facts_of(engine="warp", voice="elevenlabs:xyz").consents == {"voice": str(agreed)}
    assert facts_of(engine="warp", voice="elevenlabs:other").consents == {}
    assert os.environ["VISEMA_CACHE"] == str(cache)
