"""A client of Visema's API: `Visema` waits, `AsyncVisema` is for asyncio. See docs/client.md."""

from visema.client.aio import AsyncVisema
from visema.client.asks import Options
from visema.client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    JobFailed,
    NotFound,
    RateLimited,
    TimedOut,
    Unauthorised,
    Unavailable,
    Unreachable,
)
from visema.client.results import Avatar, Batch, Job, Page, Speech, Voice
from visema.client.sync import Visema
from visema.client.wire import Retry

__all__ = [
    "ApiError",
    "AsyncVisema",
    "Avatar",
    "Batch",
    "Conflict",
    "Forbidden",
    "Invalid",
    "Job",
    "JobFailed",
    "NotFound",
    "Options",
    "Page",
    "RateLimited",
    "Retry",
    "Speech",
    "TimedOut",
    "Unauthorised",
    "Unavailable",
    "Unreachable",
    "Visema",
    "Voice",
]
