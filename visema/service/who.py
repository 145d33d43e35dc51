"""Who asks: the holder of a key with what it allows, or this machine's own user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: What a key can allow. ``admin`` allows everything, on everybody's things.
SCOPES: Final = ("films", "avatars", "voices", "speech", "live", "read", "admin")


@dataclass(frozen=True)
class Who:
    """Somebody who asks.

    Attributes:
        key: Id of the key; empty for this machine's own user, who needs none on loopback.
        name: What the key is called.
        scopes: What it allows, of `SCOPES`.
        address: Where the request came from.
    """

    key: str = ""
    name: str = "local"
    scopes: frozenset[str] = field(default_factory=lambda: frozenset(SCOPES))
    address: str = ""

    @property
    def client(self) -> str:
        """Among whom turns are fair: the key, else the address."""
        return self.key or self.address

    def may(self, scope: str) -> bool:
        """Whether the key allows something."""
        return scope in self.scopes or "admin" in self.scopes

    def owns(self, key: str) -> bool:
        """Whether something of ``key`` is this one's to see and to change."""
        return key == self.key or "admin" in self.scopes
