"""ARPAbet, the alphabet of English dictionaries and recognisers, to visemes."""

from __future__ import annotations

import re

from visema.visemes.classes import SILENCE
from visema.visemes.table import table

# How recognisers spell silence, breath and noise: <sil>, SIL, sp, spn, +SPN+, +NSN+.
_SILENCE = re.compile(r"^(\+.*\+|<.*>|SIL|SP|SPN|NSN|PAU|)$", re.IGNORECASE)
#: What a mouth does for a symbol nobody knows: a neutral vowel rather than nothing.
_UNKNOWN = ("Ax",)


def arpabet_visemes(phone: str) -> tuple[str, ...]:
    """The mouth shapes of one ARPAbet phone, two for a diphthong.

    Args:
        phone: Such as ``AA1``, ``hh``, ``SIL`` or ``+SPN+``; upper or lower case, with or without a stress digit.
    """
    phone = phone.strip()
    if _SILENCE.match(phone):
        return (SILENCE,)
    return table("arpabet").get(phone.rstrip("0123456789").lower(), _UNKNOWN)
