"""The avatar package: what was saved comes back, and nothing damaged or foreign gets past loading."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.face.people import presenter
from tests.media.make import encoded, scene, write_video
from visema.avatar import FILES, Avatar, clean_name, delete_avatar, list_avatars, read_manifest
from visema.errors import AvatarError
from visema.package import export_avatar, import_avatar
from visema.setup import prepare_avatar


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    """A small avatar of the presenter's photo."""
    folder = tmp_path_factory.mktemp("made")
    photo = folder / "Presenter one.png"
    photo.write_bytes(encoded(presenter(256), ".png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISEMA_CACHE", str(folder / "cache"))
        return prepare_avatar(photo)


@pytest.fixture
def avatar(made: Avatar, cache: Path) -> Avatar:
    """A copy of it in the test's own cache."""
    shutil.copytree(made.folder, cache / made.id)
    return Avatar.load(cache / made.id)


def test_what_was_made_comes_back(avatar: Avatar) -> None:
    assert avatar.name == "Presenter one" and avatar.id.startswith("presenter-one-")
    assert avatar.source.name == "Presenter one.png" and avatar.source.kind == "photo"
    assert avatar.size == (256, 256) and avatar.fps == 25 and len(avatar.track) == 200
    assert {p.relative_to(avatar.folder).as_posix() for p in avatar.folder.rglob("*") if p.is_file()} == set(FILES)
    with avatar.open_loop(avatar.reference_index) as loop:
        frame = next(loop)
    luma = frame[:256].astype(int)
    import cv2

    expected = cv2.cvtColor(avatar.reference_frame, cv2.COLOR_BGR2YUV_I420)[:256]
    assert np.abs(luma - expected).mean() < 1.5
    engine = avatar.mouth()
    assert engine.region(0) is not None


def test_loading_loads_no_models(avatar: Avatar) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom visema.avatar import Avatar\n"
        f"Avatar.load(Path({str(avatar.folder)!r})).mouth()\n"
        "heavy = {'mediapipe', 'torch', 'gradio', 'jax', 'tensorflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def edit_json(folder: Path, **change: object) -> None:
    path = folder / "avatar.json"
    facts = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(facts | change), "utf-8")


def edit_npz(folder: Path, name: str, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    with np.load(folder / name) as data:
        arrays = dict(data)
    change(arrays)
    np.savez(folder / name, **arrays)


def with_nan(arrays: dict[str, np.ndarray]) -> None:
    arrays["landmarks"][3, 4] = np.nan


def pickled(folder: Path) -> None:
    np.savez(folder / "rig.npz", scalars=np.array([{"a": 1}], dtype=object), allow_pickle=True)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda f: (f / "avatar.json").unlink(),
    "empty manifest": lambda f: (f / "avatar.json").write_text(""),
    "manifest is a list": lambda f: (f / "avatar.json").write_text("[]"),
    "manifest nested too deep": lambda f: (f / "avatar.json").write_text("[" * 200_000),
    "binary manifest": lambda f: (f / "avatar.json").write_bytes(b"\xff\xfe\x00" * 9),
    "id with dots": lambda f: edit_json(f, id="../../etc"),
    "long id": lambda f: edit_json(f, id="a" * 65),
    "name with controls": lambda f: edit_json(f, name="a\nb"),
    "engine with path": lambda f: edit_json(f, engine="../x"),
    "negative rate": lambda f: edit_json(f, fps=-1),
    "rate is text": lambda f: edit_json(f, fps="25"),
    "rate is no number": lambda f: edit_json(f, fps=float("nan")),
    "other rate": lambda f: edit_json(f, fps=30),
    "odd width": lambda f: edit_json(f, width=255),
    "other width": lambda f: edit_json(f, width=300),
    "frames too many": lambda f: edit_json(f, frames=10**9),
    "frames differ": lambda f: edit_json(f, frames=100, reference_index=0),
    "reference beyond": lambda f: edit_json(f, reference_index=200),
    "true is no index": lambda f: edit_json(f, reference_index=True),
    "no date": lambda f: edit_json(f, created="yesterday"),
    "notes no list": lambda f: edit_json(f, notes="x"),
    "source lacks": lambda f: edit_json(f, source={"name": "x"}),
    "source hash": lambda f: edit_json(f, source={"name": "x", "sha256": "0", "kind": "photo", "consent": ""}),
    "no track": lambda f: (f / "track.npz").unlink(),
    "track is text": lambda f: (f / "track.npz").write_text("x"),
    "track cut": lambda f: (f / "track.npz").write_bytes((f / "track.npz").read_bytes()[:-5000]),
    "track with NaN": lambda f: edit_npz(f, "track.npz", with_nan),
    "track far away": lambda f: edit_npz(f, "track.npz", lambda a: a.update(landmarks=a["landmarks"] * 1e6)),
    "track in doubles": lambda f: edit_npz(f, "track.npz", lambda a: a.update(landmarks=a["landmarks"].astype("f8"))),
    "track lacks flags": lambda f: edit_npz(f, "track.npz", lambda a: a.__delitem__("found")),
    "rig pickled": pickled,
    "rig with infinity": lambda f: edit_npz(f, "rig.npz", lambda a: a.update(x=np.array([np.inf]))),
    "no reference": lambda f: (f / "ref_frame.png").unlink(),
    "reference cut": lambda f: (f / "ref_frame.png").write_bytes((f / "ref_frame.png").read_bytes()[:900]),
    "viseme missing": lambda f: (f / "visemes" / "mouth_vid_Aa.png").unlink(),
    "viseme empty": lambda f: (f / "visemes" / "mouth_vid_BLINK.png").write_bytes(b""),
    "viseme a jpeg": lambda f: (f / "visemes" / "mouth_vid_M.png").write_bytes(encoded(scene(0), ".jpg")),
    "no landmarks": lambda f: (f / "visemes" / "landmarks.json").unlink(),
    "no loop": lambda f: (f / "loop.mp4").unlink(),
    "there and back by mistake": lambda f: edit_json(f, mirrored=True),
    "mirrored is a number": lambda f: edit_json(f, mirrored=0),
    "loop is text": lambda f: (f / "loop.mp4").write_text("x" * 5000),
    "other loop": lambda f: write_video(f / "loop.mp4", [scene(i) for i in range(5)]),
    "loop of other codec": lambda f: write_video(f / "loop.mp4", [scene(0, (256, 256))] * 200, codec="mpeg4"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found(avatar: Avatar, what: str) -> None:
    DAMAGE[what](avatar.folder)
    with pytest.raises(AvatarError) as caught:
        Avatar.load(avatar.folder)
    assert "\n" not in str(caught.value) and caught.value.hint and len(str(caught.value)) < 500


def test_another_version_is_named(avatar: Avatar) -> None:
    edit_json(avatar.folder, schema=99)
    with pytest.raises(AvatarError, match="another version"):
        Avatar.load(avatar.folder)


def test_rename_list_delete(avatar: Avatar, cache: Path) -> None:
    assert avatar.renamed("  Анна \n Ivanova ").name == "Анна Ivanova"
    assert [f["name"] for f in list_avatars(cache)] == ["Анна Ivanova"]
    assert Avatar.load(avatar.folder).name == "Анна Ivanova"
    (cache / "broken").mkdir()
    (cache / "broken" / "avatar.json").write_text("{")
    assert len(list_avatars(cache)) == 1
    delete_avatar(avatar.folder)
    assert list_avatars(cache) == [] and sorted(p.name for p in cache.iterdir()) == ["broken"]
    delete_avatar(avatar.folder)


def test_clean_name() -> None:
    assert clean_name("a\x00b\u202ec\n") == "a b c" and len(clean_name("x" * 500)) == 80


def test_export_and_import(avatar: Avatar, cache: Path, tmp_path: Path) -> None:
    box = tmp_path / "Мой аватар.zip"
    export_avatar(avatar, box)
    other = import_avatar(box, tmp_path / "other")
    assert other.id == avatar.id and np.array_equal(other.track.landmarks, avatar.track.landmarks)
    assert [p.name for p in (tmp_path / "other").iterdir()] == [avatar.id]
    again = import_avatar(box, cache)
    assert again.id == f"{avatar.id}-2" and read_manifest(again.folder)["id"] == again.id
    assert len(list_avatars(cache)) == 2


def repacked(box: Path, change: Callable[[dict[str, bytes]], object], **how: int) -> Path:
    with zipfile.ZipFile(box) as old:
        members = {m: old.read(m) for m in old.namelist()}
    change(members)
    out = box.with_name("changed.zip")
    with zipfile.ZipFile(out, "w", **how) as new:  # type: ignore[arg-type]
        for name, data in members.items():
            new.writestr(name, data)
    return out


def rubbish(loop: bytes) -> bytes:
    """A loop video whose index is right and whose pictures are not: only decoding tells."""
    at, end = loop.index(b"mdat") + 4, loop.index(b"moov") - 4
    noise = np.random.default_rng(0).integers(0, 256, abs(end - at), dtype=np.uint8).tobytes()
    return loop[:at] + noise + loop[end:] if end > at else loop[:at] + noise


def test_untrusted_zips(avatar: Avatar, tmp_path: Path) -> None:
    box = tmp_path / "a.zip"
    export_avatar(avatar, box)
    prefix = avatar.id
    target = tmp_path / "in" / "cache"
    target.mkdir(parents=True)
    bad_loop = write_video(tmp_path / "l.mp4", [scene(i) for i in range(5)]).read_bytes()
    cases: dict[str, Path] = {
        "climbs out": repacked(box, lambda m: m.update({"../../evil.txt": b"x"})).rename(tmp_path / "1.zip"),
        "absolute": repacked(box, lambda m: m.update({"/tmp/evil.txt": b"x"})).rename(tmp_path / "2.zip"),
        "unknown": repacked(box, lambda m: m.update({f"{prefix}/run.py": b"x"})).rename(tmp_path / "3.zip"),
        "lacks one": repacked(box, lambda m: m.pop(f"{prefix}/rig.npz")).rename(tmp_path / "4.zip"),
        "bomb": repacked(
            box, lambda m: m.update({f"{prefix}/avatar.json": b" " * 900_000}), compression=zipfile.ZIP_DEFLATED
        ).rename(tmp_path / "5.zip"),
        "large": repacked(box, lambda m: m.update({f"{prefix}/avatar.json": b" " * 2_000_000})).rename(
            tmp_path / "6.zip"
        ),
        "bad picture": repacked(
            box, lambda m: m.update({f"{prefix}/visemes/mouth_vid_M.png": m[f"{prefix}/ref_frame.png"]})
        ).rename(tmp_path / "7.zip"),
        "loop of rubbish": repacked(
            box, lambda m: m.update({f"{prefix}/loop.mp4": rubbish(m[f"{prefix}/loop.mp4"])})
        ).rename(tmp_path / "10.zip"),
        "bad loop": repacked(box, lambda m: m.update({f"{prefix}/loop.mp4": bad_loop})).rename(tmp_path / "8.zip"),
        "twice": repacked(box, lambda m: m.update({"avatar.json": m[f"{prefix}/avatar.json"]})).rename(
            tmp_path / "9.zip"
        ),
    }
    cut = tmp_path / "cut.zip"
    cut.write_bytes(box.read_bytes()[:5000])
    text = tmp_path / "text.zip"
    text.write_text("no zip")
    cases |= {"cut": cut, "text": text, "missing": tmp_path / "none.zip"}
    for what, path in cases.items():
        with pytest.raises(AvatarError) as caught:
            import_avatar(path, target)
        assert caught.value.hint, what
        assert list(target.iterdir()) == [], what
    assert not (tmp_path / "evil.txt").exists() and not Path("/tmp/evil.txt").exists()


def test_a_link_in_a_package_is_refused(avatar: Avatar, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes((avatar.folder / "ref_frame.png").read_bytes())
    (avatar.folder / "ref_frame.png").unlink()
    try:
        (avatar.folder / "ref_frame.png").symlink_to(outside)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(AvatarError, match="missing"):
        Avatar.load(avatar.folder)
