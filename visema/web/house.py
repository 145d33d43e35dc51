"""What all visitors share: the avatars, the idle pictures, the voices, the temporary folder, and who is here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from visema.errors import AvatarError, VoiceError
from visema.service.who import Who
from visema.web.idle import IdleLoops, data_address, encode_jpeg, idle_address
from visema.web.temp import TempFolder
from visema.web.viewer import Viewer
from visema.web.voice_choice import pick

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.speech.types import Voice
    from visema.stage.events import Event
    from visema.stage.performer import Performer
    from visema.web.clock import BrowserClock
    from visema.web.owners import Owners

log = logging.getLogger(__name__)

#: Threads that wait for talking avatars' pictures and encode idle ones; more talkers than this take turns.
MAX_THREADS = 64
#: A talking picture that takes longer than this is waited for anew, so that a stop is noticed.
PICTURE_TIMEOUT_S = 0.25
#: The longest text that the page takes, in characters: about six minutes of speech.
MAX_TEXT = 5000
#: What the sliders of the manner of speaking reach: factor, semitones, factor.
RANGES = {"rate": (0.5, 2.0), "pitch": (-8.0, 8.0), "volume": (0.1, 2.0)}


class House:
    """One page's worth of shared things.

    Args:
        avatar: Who is on stage when a visitor comes.
        cache: Folder of the avatars.
        voice: Chosen when a visitor comes; None chooses by the browser's language.
        offline: No cloud voice is asked.

    Raises:
        VoiceError: There is no such voice.

    Attributes:
        first: Who is on stage when a visitor comes; its successor where it was deleted.
    """

    def __init__(self, avatar: Avatar, cache: Path, voice: str | None = None, *, offline: bool = False) -> None:
        from visema.speech.remote.catalogue import ask_ahead
        from visema.speech.voices import resolve_voice

        self.cache = cache
        self.voice = resolve_voice(voice, offline).name if voice else ""
        self.offline = offline
        #: Whose avatars and voices are whose; None where everything is everybody's.
        self.owners: Owners | None = None
        self.temp = TempFolder()
        self.idle = IdleLoops()
        self.first = avatar
        self._loaded: dict[str, Avatar] = {avatar.id: avatar}
        self._lock = threading.Lock()  # of the visitors; never held for long, the event loop takes it too
        self._avatar_lock = threading.Lock()
        self._viewers: dict[str, Viewer] = {}  # by Gradio's name for the browser's tab
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="picture")
        self._voices_asked: Callable[[], None] = (lambda: None) if offline else ask_ahead()

    # -- avatars --------------------------------------------------------------------------------------------------

    def avatar(self, avatar_id: str) -> Avatar:
        """An avatar by its id, read once.

        Raises:
            AvatarError: It does not exist or is damaged.
        """
        from visema.avatar import ID, Avatar

        if not ID.fullmatch(avatar_id):
            raise AvatarError("There is no such avatar.", "Reload the page to see those that are left.")
        with self._avatar_lock:
            if avatar_id not in self._loaded:
                if not (self.cache / avatar_id).is_dir():  # whoever asks need not hear where avatars are
                    raise AvatarError("There is no such avatar.", "Reload the page to see those that are left.")
                self._loaded[avatar_id] = Avatar.load(self.cache / avatar_id)
            return self._loaded[avatar_id]

    def keep(self, avatar: Avatar) -> None:
        """Take in an avatar that was made, imported or renamed."""
        with self._avatar_lock:
            self._loaded[avatar.id] = avatar
            if avatar.id == self.first.id:
                self.first = avatar
        self.idle.forget(avatar.id)

    def drop(self, avatar_id: str, successor: Avatar) -> None:
        """An avatar was deleted: whoever watches it gets ``successor``."""
        with self._avatar_lock:
            self._loaded.pop(avatar_id, None)
            if self.first.id == avatar_id:
                self.first = successor
        with self._lock:
            watching = [viewer for viewer in self._viewers.values() if viewer.avatar.id == avatar_id]
        for viewer in watching:
            viewer.switch(successor)
        self.idle.forget(avatar_id)

    def avatar_for(self, who: Who, avatar_id: str) -> Avatar:
        """An avatar that is there for somebody.

        Raises:
            AvatarError: It does not exist, is damaged, or is somebody else's.
        """
        if self.owners:
            self.owners.check_avatar(who, avatar_id)
        return self.avatar(avatar_id)

    def check_voice(self, who: Who, name: str) -> None:
        """Refuse a voice that is somebody else's.

        Raises:
            VoiceError: It is.
        """
        if self.owners:
            self.owners.check_voice(who, name)

    @cached_property
    def voices(self) -> list[Voice]:
        """All voices; edge-tts is not asked for news, which would hold up the first visitor, others were before."""
        from visema.speech.voices import check_visitors, list_voices

        def allowed(voice: Voice) -> bool:
            try:
                check_visitors(voice.name)
            except VoiceError:
                return False
            return not (self.owners and voice.name.startswith("voice:") and self.owners.has_voice(voice.name))

        self._voices_asked()
        return [voice for voice in list_voices(offline=True) if allowed(voice)]

    def first_voice(self, language: str) -> str:
        """The voice that is chosen when a visitor comes, for a browser of ``language``."""
        from visema.speech.voices import resolve_voice

        return (
            resolve_voice(self.voice, True).name if self.voice else pick(self.voices, language, offline=self.offline)
        )

    # -- visitors -------------------------------------------------------------------------------------------------

    def viewer(self, tab: str, language: str = "en", who: Who | None = None) -> Viewer:
        """The visitor in a browser's tab; a new one where it is not known."""
        who = who or Who()
        with self._lock:
            # Gradio lets a browser choose its tab's name: nobody gets into somebody else's by it.
            viewer = self._viewers.get(f"{who.key} {tab}")
            if viewer is None:
                viewer = self._viewers[f"{who.key} {tab}"] = Viewer(self.first, language, self._hire, who)
            return viewer

    def by_token(self, token: str, who: Who | None = None) -> Viewer | None:
        """The visitor whose page knows ``token``; with ``who``, only where it is theirs."""
        with self._lock:
            found = next((viewer for viewer in self._viewers.values() if viewer.token == token), None)
        return found if found is None or who is None or who.key == found.who.key else None

    def leave(self, tab: str, who: Who | None = None) -> None:
        """The tab was closed."""
        self._let_go(f"{(who or Who()).key} {tab}")

    def _let_go(self, name: str) -> None:
        with self._lock:
            viewer = self._viewers.pop(name, None)
        if viewer:
            viewer.close()
            shutil.rmtree(self.saved_folder(viewer), ignore_errors=True)

    def saved_folder(self, viewer: Viewer) -> Path:
        """Where a visitor's last film is."""
        return self.temp.path / "saved" / viewer.token

    @property
    def visitors(self) -> int:
        """How many are here."""
        return len(self._viewers)

    def close(self) -> None:
        """Everybody out, lights off."""
        for tab in list(self._viewers):
            self._let_go(tab)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.temp.remove()

    def _hire(
        self, avatar: Avatar, start: int, clock: Callable[[int], BrowserClock], listener: Callable[[Event], None]
    ) -> Performer:
        from visema.speech.speak import speak
        from visema.stage.performer import Performer

        speaker = partial(speak, offline=self.offline)
        return Performer(avatar, clock=clock, on_event=listener, speaker=speaker, start=start)

    # -- pictures -------------------------------------------------------------------------------------------------

    async def watch(self, viewer: Viewer) -> AsyncIterator[tuple[str, str]]:
        """What a visitor sees from now on: the address of the picture and the message for the page's script."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

        viewer.wake = wake
        version, message = 0, ""
        url = shown = ""
        while not viewer.closed:
            changed = version != viewer.version
            if changed:
                version = viewer.version
                message = viewer.message()
            if viewer.elsewhere:
                if changed:
                    url = url or await self._idle_url(viewer)
                    yield url, message
                else:
                    await woken.wait()
                    woken.clear()
                continue
            if viewer.talking:
                picture = await loop.run_in_executor(
                    self._threads, viewer.live_picture, PICTURE_TIMEOUT_S, encode_jpeg
                )
                url = picture or url
            else:
                url = await self._idle_url(viewer)
            if changed or url != shown:
                shown = url
                yield url, message
            if not viewer.talking and version == viewer.version:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(woken.wait(), viewer.idle_wait())
            woken.clear()

    async def _idle_url(self, viewer: Viewer) -> str:
        """The idle picture that is due, with its data until the browser has fetched the loop for itself.

        An address alone would not do from the start: a browser gives up fetching a picture when the next one is
        named, so over a slow line none would ever be seen.
        """
        avatar, index = viewer.avatar, viewer.idle_index()
        address = idle_address(avatar)
        if not viewer.needs_data(address):
            return f"{address}{index}.jpg"
        if self.idle.cached(avatar, index):
            return data_address(self.idle.jpeg(avatar, index))
        take = partial(self.idle.jpeg, avatar, index)  # decoding takes a while: not in the event loop
        return data_address(await asyncio.get_running_loop().run_in_executor(self._threads, take))
