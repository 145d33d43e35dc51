"""Weights from a hub that cuts, lies and forgets: every file that appears is whole and the one that was promised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.neural.hub import COMMIT, Hub, running
from visema.errors import EngineError, InputError, VisemaError
from visema.neural import fetch, releases
from visema.neural.download import plan_download, run_download
from visema.neural.fetch import FetchError
from visema.neural.releases import LIVEPORTRAIT, RELEASES, SADTALKER, WAV2LIP, release_of
from visema.neural.store import VARIABLE, WeightsError, recorded, require

CONTENT = {file.path: (file.path * 4000).encode() for file in LIVEPORTRAIT.files}


def quiet(title: str) -> nullcontext[None]:
    return nullcontext()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    server = Hub()
    for file in LIVEPORTRAIT.files:
        server.put(LIVEPORTRAIT.repository, file.remote, CONTENT[file.path])
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(fetch.time, "sleep", lambda s: None)
    with running(server):
        import huggingface_hub.constants as constants
        import huggingface_hub.file_download as client

        for module in (constants, client):
            for name in ("ENDPOINT", "HUGGINGFACE_CO_URL_TEMPLATE"):
                if hasattr(module, name):
                    value = server.address + ("/{repo_id}/resolve/{revision}/{filename}" if "TEMPLATE" in name else "")
                    monkeypatch.setattr(module, name, value)
        yield server


def get(release: releases.Release = LIVEPORTRAIT, **options: object) -> None:
    run_download(plan_download(release, **options), quiet)  # type: ignore[arg-type]


def test_a_release_comes_whole_and_is_recorded(hub: Hub, cache: Path) -> None:
    get()
    paths = require(LIVEPORTRAIT)
    for file in LIVEPORTRAIT.files:
        path = cache / "weights" / "liveportrait" / file.path
        assert path == paths[file.path] and path.read_bytes() == CONTENT[file.path]
        known = recorded(path)
        assert known is not None and known.commit == COMMIT
        assert known.sha256 == hashlib.sha256(CONTENT[file.path]).hexdigest()
    assert not list((cache / "weights").rglob("*.part*"))
    assert plan_download(LIVEPORTRAIT).files == ()


def test_the_commit_is_resolved_once_and_asked_for_after(hub: Hub) -> None:
    get()
    heads = [path.split("/")[4] for method, path, _ in hub.seen if method == "HEAD"]
    gets = [path.split("/")[4] for method, path, _ in hub.seen if method == "GET"]
    assert heads == ["main"] + [COMMIT] * 4
    assert gets == [COMMIT] * 5


def test_a_cut_connection_goes_on_where_it_stopped(hub: Hub) -> None:
    hub.cut = [1000, 5000]
    get()
    ranges = [asked for method, _, asked in hub.seen if method == "GET"][:3]
    assert ranges == ["", "bytes=1000-", "bytes=6000-"]


def test_another_process_goes_on_where_a_killed_one_stopped(hub: Hub) -> None:
    hub.cut = [700] + [0] * 10
    with pytest.raises(FetchError, match="cut after 700 of"):
        get()
    hub.cut, hub.seen = [], []
    get()
    assert next(asked for method, _, asked in hub.seen if method == "GET") == "bytes=700-"


def test_a_file_that_changed_meanwhile_begins_anew(hub: Hub) -> None:
    hub.cut = [700] + [0] * 10
    with pytest.raises(FetchError):
        get()
    first = LIVEPORTRAIT.files[0]
    hub.put(LIVEPORTRAIT.repository, first.remote, b"another version" * 100)
    hub.cut = []
    get()
    assert require(LIVEPORTRAIT)[first.path].read_bytes() == b"another version" * 100


def test_corrupted_bytes_are_thrown_away(hub: Hub, cache: Path) -> None:
    hub.corrupt = True
    with pytest.raises(WeightsError, match="as published"):
        get()
    assert not list((cache / "weights").rglob("*.pth"))


def test_a_replaced_file_on_the_server_is_refused(hub: Hub, cache: Path) -> None:
    get()
    first = LIVEPORTRAIT.files[0]
    (cache / "weights" / "liveportrait" / first.path).unlink()
    hub.put(LIVEPORTRAIT.repository, first.remote, b"somebody else's")
    with pytest.raises(WeightsError, match="as recorded at its first use"):
        get()


def test_a_changed_file_on_disk_is_refused_and_fetched_again(hub: Hub, cache: Path) -> None:
    get()
    path = cache / "weights" / "liveportrait" / LIVEPORTRAIT.files[0].path
    path.write_bytes(b"changed")
    with pytest.raises(WeightsError, match="not the file that was used before"):
        require(LIVEPORTRAIT)
    get()
    require(LIVEPORTRAIT)


def test_what_is_not_there_says_where_it_belongs(hub: Hub, cache: Path) -> None:
    hub.files.clear()
    with pytest.raises(FetchError, match="has no liveportrait/base_models") as caught:
        get()
    for file in LIVEPORTRAIT.files:
        assert str(cache / "weights" / "liveportrait" / file.path) in caught.value.hint
        assert (
            f"https://huggingface.co/KwaiVGI/LivePortrait/resolve/main/liveportrait/{file.path}" in caught.value.hint
        )


def test_no_network_says_which_file_to_put_where(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants
    import huggingface_hub.file_download as client

    for module in (constants, client):
        if hasattr(module, "HUGGINGFACE_CO_URL_TEMPLATE"):
            dead = "http://127.0.0.1:1/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", dead)
    with pytest.raises(FetchError, match="cannot be reached") as caught:
        get()
    assert "Fetch by hand" in caught.value.hint
    with pytest.raises(EngineError, match="offline") as refused:
        plan_download(SADTALKER, 512, offline=True)
    assert "SadTalker_V0.0.2_512.safetensors" in refused.value.hint and "_256" not in refused.value.hint
    assert str(cache / "weights" / "sadtalker") in refused.value.hint


def test_a_release_page_is_fetched_with_resume(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files["/v0.0.2/wav2lip.pth"] = b"w" * 9000
    hub.cut = [4000]
    page = replace(WAV2LIP, files=(replace(WAV2LIP.files[0], url=f"{hub.address}/v0.0.2/wav2lip.pth"),))
    get(page)
    assert [asked for _, _, asked in hub.seen] == ["", "bytes=4000-"]
    assert require(WAV2LIP)["wav2lip.pth"].read_bytes() == b"w" * 9000


@pytest.mark.parametrize("kind", ["folder", "file", "address", "layout"])
def test_a_mirror_is_accepted(hub: Hub, tmp_path: Path, kind: str) -> None:
    here = tmp_path / "mine"
    (here / "wav2lip").mkdir(parents=True)
    (here / "wav2lip.pth").write_bytes(b"mine")
    (here / "wav2lip" / "wav2lip.pth").write_bytes(b"mine")
    hub.files["/mirror/wav2lip.pth"] = b"mine"
    place = {
        "folder": str(here / "wav2lip"),
        "layout": str(here),
        "file": str(here / "wav2lip.pth"),
        "address": f"{hub.address}/mirror/",
    }[kind]
    run_download(plan_download(WAV2LIP, mirror=place, offline=kind != "address"), quiet)
    assert require(WAV2LIP)["wav2lip.pth"].read_bytes() == b"mine"


def test_a_mirror_without_the_file_says_so(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not hold wav2lip\.pth"):
        get(WAV2LIP, mirror=str(tmp_path))
    with pytest.raises(InputError, match="no file or folder"):
        get(WAV2LIP, mirror=str(tmp_path / "nowhere"))


def test_missing_weights_name_files_places_and_the_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(EngineError) as caught:
        require(SADTALKER, 512)
    assert "SadTalker_V0.0.2_512.safetensors, mapping_00109-model.pth.tar" in caught.value.what
    assert "--download sadtalker --size 512" in caught.value.hint
    assert str(cache / "weights" / "sadtalker") in caught.value.hint


def test_ones_own_folder_is_used_as_it_is(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "best.pth"))
    (tmp_path / "best.pth").write_bytes(b"mine")
    assert require(WAV2LIP)["wav2lip.pth"] == tmp_path / "best.pth"
    assert json.loads((cache / "weights" / "checksums.json").read_text()).keys() == {str(tmp_path / "best.pth")}
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "wav2lip.pth").write_bytes(b"mine too")
    assert require(WAV2LIP)["wav2lip.pth"] == tmp_path / "wav2lip.pth"


def test_size_and_licence_are_told_before(cache: Path) -> None:
    for release in RELEASES.values():
        told = plan_download(release).describe()
        assert release.licence in told and release.page in told and " MB" in told
    assert "725 MB" in plan_download(SADTALKER).describe()
    with pytest.raises(InputError, match="Choose one of"):
        release_of("dalle")


def test_a_full_disk_is_noticed_before(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1 << 20})()
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(VisemaError, match="1 MB free"):
        get()
