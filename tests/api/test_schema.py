"""Requests made out of the description, good and bad: no 5xx, and no answer that the description does not tell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import VOICE, Caller, Platform

schemathesis = pytest.importorskip("schemathesis")

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth"
)
#: Requests for every edge of every field (the phase "coverage") are for the slow test: a thousand and more.
USUAL = ("--phases", "examples,fuzzing", "--max-examples", "2", "--seed", "6")
PLATFORM = "^/(api/v1/(?!live)|ready|health)"


def run(platform: Platform, folder: Path, *more: str) -> str:
    """Run Schemathesis as its users do; what it says."""
    command = Path(sys.executable).with_name("schemathesis")
    found = str(command) if command.is_file() else shutil.which("schemathesis")
    assert found
    done = subprocess.run(
        [
            found, "run", f"{platform.address}/openapi.json", "--header", f"Authorization: Bearer {platform.bob.key}",
            "--checks", CHECKS, "--no-color", *more,
        ],
        cwd=folder, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    return done.stdout


def test_the_platform_keeps_to_its_description(paused: Platform, tmp_path: Path) -> None:
    said = run(paused, tmp_path, "--include-path-regex", PLATFORM, *USUAL)
    assert "passed" in said and "FAILURES" not in said


@pytest.mark.slow
def test_every_address_keeps_to_its_description(paused: Platform, tmp_path: Path) -> None:
    said = run(paused, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "60")
    assert "FAILURES" not in said


def test_answers_about_real_things_are_as_described(platform: Platform, ada: Caller, photo: bytes) -> None:
    headers = {"Authorization": f"Bearer {ada.key}"}
    schema = schemathesis.openapi.from_url(f"{platform.address}/openapi.json", headers=headers)

    def check(method: str, path: str, status: int, **parts: Any) -> Any:
        case = schema[path][method].Case(headers=headers, **parts)
        answer = case.call(base_url=platform.address)
        case.validate_response(answer, headers=headers)
        assert answer.status_code == status, answer.text
        return answer

    job = ada.begin(text="As described.", resolution="64x64")
    waiting = check("GET", "/api/v1/status/{job_id}", 200, path_parameters={"job_id": job}).json()
    assert waiting["job_id"] == job
    told = ada.done(job)
    failed = ada.ask("POST", "/avatars/train", files={"source": b"neither"})
    if failed.status_code == 202:
        ada.over(failed.json()["job_id"])
        check("GET", "/api/v1/status/{job_id}", 200, path_parameters={"job_id": failed.json()["job_id"]})
    batch = ada.ask("POST", "/batch", json={"items": [{"text": "Hi.", "voice": VOICE}, {}]}).json()["batch_id"]
    avatar = ada.get("/avatars")["avatars"][0]["id"]
    one = {"job_id": job}
    for path, parts in (
        ("/api/v1/status/{job_id}", {"path_parameters": one}),
        ("/api/v1/video/{job_id}", {"path_parameters": one}),
        ("/api/v1/video/{job_id}/captions.{form}", {"path_parameters": {**one, "form": "vtt"}}),
        ("/api/v1/jobs/{job_id}/events", {"path_parameters": one}),
        ("/api/v1/jobs", {"query": {"limit": 3}}),
        ("/api/v1/batch/{batch_id}", {"path_parameters": {"batch_id": batch}}),
        ("/api/v1/avatars", {}),
        ("/api/v1/avatars/{avatar_id}", {"path_parameters": {"avatar_id": avatar}}),
        ("/api/v1/avatars/{avatar_id}/thumbnail.png", {"path_parameters": {"avatar_id": avatar}}),
        ("/api/v1/avatars/{avatar_id}/contact_sheet.png", {"path_parameters": {"avatar_id": avatar}}),
        ("/api/v1/voices", {"query": {"language": "en"}}),
        ("/api/v1/voices/{name}/preview", {"path_parameters": {"name": VOICE}}),
        ("/api/v1/usage", {}),
        ("/api/v1/webhooks", {}),
        ("/ready", {}),
        ("/health", {}),
        ("/", {}),
    ):
        check("GET", path, 200, **parts)
    spoken = {"text": "Hi.", "voice": VOICE}
    check("POST", "/api/v1/tts", 200, body=spoken, media_type="application/json")
    check("POST", "/api/v1/tts", 200, body={**spoken, "stream": True}, media_type="application/json")
    check("POST", "/api/v1/generate", 202, body={**spoken, "fps": 5}, media_type="application/json")
    if output := (told["result"] or {}).get("provenance"):
        check("GET", "/api/v1/outputs/{output_id}", 200, path_parameters={"output_id": output})
    check("DELETE", "/api/v1/jobs/{job_id}", 204, path_parameters=one)
    check("GET", "/api/v1/video/{job_id}", 410, path_parameters=one)
