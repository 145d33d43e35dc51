"""The description of the API for programs and for people, and whether the API keeps to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conftest import Caller, Platform
from tests.site import WAIT_MS

#: What the issue asks for, each with its methods.
ADDRESSES = {
    "/api/v1/generate": {"post"}, "/api/v1/status/{job_id}": {"get"}, "/api/v1/video/{job_id}": {"get"},
    "/api/v1/jobs": {"get"}, "/api/v1/jobs/{job_id}": {"delete"}, "/api/v1/jobs/{job_id}/events": {"get"},
    "/api/v1/avatars/train": {"post"}, "/api/v1/avatars": {"get"}, "/api/v1/avatars/{avatar_id}": {"get", "delete"},
    "/api/v1/voices": {"get"}, "/api/v1/voices/clone": {"post"}, "/api/v1/tts": {"post"}, "/api/v1/batch": {"post"},
    "/api/v1/batch/{batch_id}": {"get", "delete"}, "/api/v1/usage": {"get"}, "/api/v1/webhooks": {"get"},
    "/api/v1/outputs/{output_id}": {"get"}, "/health": {"get"}, "/ready": {"get"}, "/metrics": {"get"}, "/": {"get"},
}  # fmt: skip


@pytest.fixture(scope="module")
def told(platform: Platform) -> dict[str, Any]:
    answer = httpx.get(f"{platform.address}/openapi.json", headers={"Authorization": f"Bearer {platform.ada.key}"})
    found: dict[str, Any] = answer.json()
    return found


def operations(told: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, methods in told["paths"].items() for method, op in methods.items()]


def test_it_is_a_sound_description_of_every_address(told: dict[str, Any]) -> None:
    validate = pytest.importorskip("openapi_spec_validator").validate
    validate(told)
    assert told["openapi"].startswith("3.1")
    for path, methods in ADDRESSES.items():
        assert methods <= set(told["paths"].get(path, {})), path
    ids = [op["operationId"] for _, _, op in operations(told)]
    assert len(set(ids)) == len(ids)
    assert {"bearer", "header"} == set(told["components"]["securitySchemes"]) and told["security"]
    tags = {tag["name"] for tag in told["tags"]}
    for path, method, op in operations(told):
        assert op.get("summary"), (method, path)
        assert set(op.get("tags", ())) <= tags and op.get("tags"), (method, path)


def test_every_error_of_the_platform_is_told_in_one_form(told: dict[str, Any]) -> None:
    for path, method, op in operations(told):
        if not path.startswith("/api/v1/") or path.startswith("/api/v1/live"):
            continue
        bad = {code: told for code, told in op["responses"].items() if int(code) >= 400}
        assert {"401", "403", "422", "429", "500", "503"} <= set(bad), (method, path)
        for code, answer in bad.items():
            assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Problem"), (path, code)
            assert answer["description"]


def test_the_examples_are_what_the_models_take(told: dict[str, Any]) -> None:
    from visema.web.v1.requests import Clone, Generate, Item, ManyVideos, Train, Utter

    for model in (ManyVideos, Clone, Generate, Item, Train, Utter):
        examples = model.model_config["json_schema_extra"]["examples"]
        assert examples
        for example in examples:
            model.model_validate(example, strict=True)
    for name in ("Generate", "Item", "ManyVideos", "Utter"):
        schema = told["components"]["schemas"][name]
        assert schema["additionalProperties"] is False, name
        for field, about in schema["properties"].items():
            assert about.get("description") or field in ("items",), (name, field)
    body = told["paths"]["/api/v1/generate"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}


@pytest.mark.browser
def test_the_page_for_people_asks_nobody_else(platform: Platform, browser: Any, ada: Caller) -> None:
    asked: list[str] = []
    errors: list[str] = []
    context = browser.new_context(extra_http_headers={"X-API-Key": ada.key})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{platform.address}/docs")
    page.wait_for_selector("#operations-tag-videos")
    shown = page.inner_text("#swagger-ui")
    assert "/api/v1/generate" in shown and "/api/v1/voices/clone" in shown and "OAS 3.1" in shown
    # An example can be sent from the page as it stands there.
    page.click("[id$='tts_api_v1_tts_post'] .opblock-summary-control")
    page.click("[id$='tts_api_v1_tts_post'] .execute")
    page.wait_for_selector("[id$='tts_api_v1_tts_post'] .live-responses-table tr.response td.response-col_status")
    assert "200" in page.inner_text(
        "[id$='tts_api_v1_tts_post'] .live-responses-table tr.response td.response-col_status"
    )
    context.close()
    named = [url for url in asked if urlsplit(url).scheme not in ("data", "blob")]
    outside = [url for url in named if not url.startswith(platform.address)]
    assert not outside and not errors
    assert len(asked) >= 5
