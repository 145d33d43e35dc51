"""Small pictures and recordings, as the service's tests have them."""

from __future__ import annotations

from tests.service.conftest import photo, picture, recording  # noqa: F401
