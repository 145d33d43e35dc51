"""The gallery of prepared avatars: cards to switch by, and rename, delete, export and import."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visema.avatar import THUMBNAIL, delete_avatar, list_avatars
from visema.errors import AvatarError
from visema.web.idle import edition
from visema.web.texts import text

if TYPE_CHECKING:
    from visema.avatar import Avatar
    from visema.service.who import Who
    from visema.web.house import House
    from visema.web.viewer import Viewer


def cards(house: House, viewer: Viewer) -> str:
    """The gallery as HTML: one button for each avatar, the one on stage marked."""
    language = viewer.language
    rows = []
    for facts in seen(house, viewer.who):
        avatar_id, chosen = facts["id"], facts["id"] == viewer.avatar.id
        name = html.escape(facts["name"])
        mark = f'<span class="mark">{text("on_stage", language)}</span>' if chosen else ""
        stamp = html.escape(facts["created"], quote=True)
        rows.append(
            f'<button type="button" class="card" data-avatar="{avatar_id}" aria-pressed="{str(chosen).lower()}">'
            f'<img src="../avatars/{avatar_id}/{THUMBNAIL}?{stamp}" alt="" loading="lazy">'
            f'<span class="name">{name}</span>{mark}</button>'
        )
    return f'<div class="cards" role="group" aria-label="{text("gallery", language)}">{"".join(rows)}</div>'


def seen(house: House, who: Who) -> list[dict[str, Any]]:
    """The manifests of the avatars that are there for somebody, the newest first."""
    return [facts for facts in list_avatars(house.cache) if not house.owners or house.owners.sees(who, facts["id"])]


def sheet(avatar: Avatar, language: str) -> str:
    """The contact sheet of an avatar as HTML."""
    alt = html.escape(text("sheet_alt", language, name=avatar.name), quote=True)
    address = f"../avatars/{avatar.id}/visemes.png?{edition(avatar)}"
    return f'<a href="{address}" target="_blank" rel="noopener"><img class="sheet" src="{address}" alt="{alt}"></a>'


def chosen(viewer: Viewer) -> str:
    """Which avatar the buttons below are for, and the link that exports it, as HTML."""
    avatar = viewer.avatar
    said = line(viewer.text("manage_help", name=avatar.name))
    link = f'<a class="download" href="../avatars/{avatar.id}.zip" download>{viewer.text("export")}</a>'
    return f"<p>{said}</p><p>{link}</p>"


def report(said: str, notes: Sequence[str]) -> str:
    """What setup has to say, as HTML."""
    remarks = "".join(f'<p class="remark">{line(note)}</p>' for note in notes)
    return f'<p role="status">{line(said)}</p>{remarks}'


def line(words: str) -> str:
    """Plain words as HTML."""
    return html.escape(words)


def rename(house: House, viewer: Viewer, name: str) -> Avatar:
    """Give the avatar on stage another name.

    Raises:
        VisemaError: It could not be written, or the avatar is gone.
    """
    if house.owners:
        house.owners.check_change(viewer.who, viewer.avatar.id)
    avatar = viewer.avatar.renamed(name)
    house.keep(avatar)
    viewer.avatar = avatar
    return avatar


def delete(house: House, viewer: Viewer) -> str:
    """Delete the avatar on stage and put the newest other one there; the name of the one deleted.

    Raises:
        AvatarError: It is the only one.
        VisemaError: It could not be deleted.
    """
    avatar = viewer.avatar
    if house.owners:
        house.owners.check_change(viewer.who, avatar.id)
    others = [facts["id"] for facts in seen(house, viewer.who) if facts["id"] != avatar.id]
    if house.owners:
        others.sort(key=house.owners.owned)  # whoever else watches it is shown one that is everybody's
    if not others:
        raise AvatarError(viewer.text("delete_last"))
    successor = house.avatar(others[0])
    if house.owners:
        house.owners.delete(avatar)
    else:
        delete_avatar(avatar.folder)
    house.drop(avatar.id, successor)
    return avatar.name


def export_file(house: House, avatar_id: str) -> Path:
    """A zip of an avatar in the temporary folder.

    Raises:
        AvatarError: It does not exist.
    """
    from visema.package import export_avatar

    avatar = house.avatar(avatar_id)
    folder = house.temp.path / "export"
    folder.mkdir(exist_ok=True)
    house.temp.prune()
    path = folder / f"{avatar.id}.zip"
    export_avatar(avatar, path)
    return path


def import_file(house: House, who: Who, path: Path) -> Avatar:
    """Take in a zip that somebody uploaded, as untrusted.

    Raises:
        AvatarError: It is not a sound avatar, or the key does not allow to make any.
    """
    from visema.package import import_avatar

    if house.owners:
        house.owners.check_make(who)
    avatar = import_avatar(path, house.cache)
    if house.owners:
        house.owners.claim(who, avatar)
    house.keep(avatar)
    return avatar
