"""`Consent`: what a person agreed to about their face or voice, as it is kept with what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from visema.errors import InputError

_SHORTEST: Final = 12
_LONGEST: Final = 2000


@dataclass(frozen=True)
class Consent:
    """What the person whose voice or face it is agreed to.

    Attributes:
        text: The statement.
        who: Who made it.
        when: Time of keeping it, ISO 8601 in UTC.
    """

    text: str
    who: str
    when: str

    @classmethod
    def given(cls, text: str, who: str) -> Consent:
        """Consent to the use of a voice that is given now.

        Raises:
            InputError: It is no statement, or nobody's.
        """
        text, who = text.strip(), who.strip()
        if not _SHORTEST <= len(text) <= _LONGEST:
            raise InputError(
                "A voice is made only with the consent of the person whose voice it is.",
                "Write down what they agreed to, in a sentence of their own.",
            )
        if not who or len(who) > 200:
            raise InputError("It is not said who consents.", "Give the name of the person whose voice it is.")
        return cls._now(text, who)

    @classmethod
    def to_face(cls, text: str, who: str) -> Consent:
        """Consent to the use of a face that is given now.

        Raises:
            InputError: It is no statement, or nobody's.
        """
        text, who = text.strip(), who.strip()
        if not _SHORTEST <= len(text) <= _LONGEST:
            raise InputError(
                "That is no statement of consent to the use of a face.",
                "Write down what the shown person agreed to, in a sentence of their own.",
            )
        if not who or len(who) > 200:
            raise InputError("It is not said who consents.", "Give the name of the person whose face it is.")
        return cls._now(text, who)

    @classmethod
    def _now(cls, text: str, who: str) -> Consent:
        return cls(text, who, datetime.now(timezone.utc).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"Consent by {self.who}, {self.when}: {self.text}"
