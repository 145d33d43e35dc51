"""What the addresses of the API work with, and the small types that they share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import Depends, Path, Request

from visema.service.desk import Desk
from visema.service.who import Who
from visema.web.door import forbidden
from visema.web.identity import asker, asks

if TYPE_CHECKING:
    from visema.service.access import Access
    from visema.speech.types import Voice
    from visema.web.house import House

#: Uploads that are opened at once; each takes up to two children.
OPENED_AT_ONCE: Final = 2
#: Speech that is made at once beside the films.
SPOKEN_AT_ONCE: Final = 2
ID_PATTERN: Final = "^[a-z0-9-]{1,64}$"


@dataclass(frozen=True)
class Api:
    """A server, as the API sees it.

    Attributes:
        desk: Jobs and their files.
        cache: Folder of the avatars.
        check_origin: Refuses pages of other sites by the headers of their request.
        house: What visitors of the page share; None where there is no page.
        access: Who may use it; None where everybody may.
        offline: No cloud voice is asked.
        opening: Held while uploads are opened.
        speaking: Held while speech is made.
    """

    desk: Desk
    cache: FilePath
    check_origin: Callable[[Mapping[str, str]], None]
    house: House | None = None
    access: Access | None = None
    offline: bool = False
    opening: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OPENED_AT_ONCE))
    speaking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SPOKEN_AT_ONCE))

    @property
    def default_avatar(self) -> str:
        """Who speaks where nobody is named; empty where there is no page, and so nobody on stage."""
        return self.house.first.id if self.house else ""

    def voices(self) -> list[Voice]:
        """Every voice that those who ask may use."""
        from visema.web.v1.choices import usable_voices

        return usable_voices(self.house, offline=self.offline)


async def api_of(request: Request) -> Api:
    """The server that a request came to; pages of other sites are refused where they would change something.

    Raises:
        RequestError: The page is of another site.
    """
    api = cast(Api, request.app.state.api)
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        api.check_origin(request.headers)
    return api


Server = Annotated[Api, Depends(api_of)]
JobId = Annotated[str, Path(pattern=ID_PATTERN, description="The job's id", examples=["1c0ffee0a1b2c3d4e5f60718"])]
AvatarId = Annotated[str, Path(pattern=ID_PATTERN, description="The avatar's id", examples=["presenter-1c0ffee0"])]
#: Who asks, where the key allows …
Films = Annotated[Who, Depends(asks("films"))]
Avatars = Annotated[Who, Depends(asks("avatars"))]
Voices = Annotated[Who, Depends(asks("voices"))]
Speech = Annotated[Who, Depends(asks("speech"))]


def asks_any(*scopes: str) -> Callable[[Request], Awaitable[Who]]:
    """A dependency: who asks, where the key allows one of ``scopes``."""

    async def found(request: Request) -> Who:  # one that is not async would be sent to a thread
        who = asker(request)
        if not any(map(who.may, scopes)):
            raise forbidden(" or ".join(scopes))
        return who

    return found


#: Who may look at films, avatars, voices and figures.
Reader = Annotated[Who, Depends(asks_any("films", "avatars", "voices", "speech", "read"))]
FilmReader = Annotated[Who, Depends(asks_any("films", "read"))]
#: Who may look at jobs, and who may end them.
JobReader = Annotated[Who, Depends(asks_any("films", "avatars", "read"))]
JobOwner = Annotated[Who, Depends(asks_any("films", "avatars"))]
