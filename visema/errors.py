"""One error tree: what went wrong, and what the user can do about it."""

from __future__ import annotations

from visema.message import Message, message_of


class VisemaError(Exception):
    """Something a user can act on.

    Args:
        what: What went wrong, in one sentence; the same places for values as in a `Message`.
        hint: What to do about it, in one sentence; the same.
        values: What fills the places of both.
    """

    #: Exit code of the command line, as the shell convention has it for wrong usage.
    exit_code = 2

    def __init__(self, what: str, hint: str = "", **values: object) -> None:
        self.what = Message(what, **values) if values and not isinstance(what, Message) else message_of(what)
        self.hint = Message(hint, **values) if values and not isinstance(hint, Message) else message_of(hint)
        super().__init__(self.what)

    def __str__(self) -> str:
        return str(self.message)

    @property
    def message(self) -> Message:
        """Both sentences."""
        return Message("{what} {hint}", what=self.what, hint=self.hint) if self.hint else self.what


class InputError(VisemaError):
    """A file, text or option given by the user cannot be used as it is."""


class MediaError(InputError):
    """A picture, video or recording cannot be read, or is beyond the limits."""


class FaceError(InputError):
    """No usable face in a picture or video."""


class VoiceError(VisemaError):
    """A voice does not exist or could not speak."""


class AvatarError(VisemaError):
    """An avatar on disk is missing, damaged, locked or of another version."""


class EngineError(VisemaError):
    """An engine is not known or not installed; the hint names the extra that brings it."""


class OutputError(VisemaError):
    """A result could not be written (no space, no permission, wrong name)."""


class Cancelled(VisemaError):
    """The work was given up because who asked for it said so; nothing half-made is left."""
