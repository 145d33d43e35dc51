"""Numbers in English words."""

from __future__ import annotations

import re
from typing import Final

_SMALL: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES: Final = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
#: Longer numbers are read digit by digit.
LONGEST: Final = 18


def cardinal(n: int) -> str:
    """``42`` as ``forty-two``; beyond 18 digits, digit by digit."""
    if n < 0:
        return "minus " + cardinal(-n)
    if n < 20:
        return _SMALL[n]
    if n < 100:
        return _TENS[n // 10] + (f"-{_SMALL[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{_SMALL[n // 100]} hundred" + (f" {cardinal(n % 100)}" if n % 100 else "")
    if len(str(n)) > LONGEST:
        return digits(str(n))
    groups = []
    scale = 0
    while n:
        n, group = divmod(n, 1000)
        if group:
            groups.append(f"{cardinal(group)} {_SCALES[scale]}".strip())
        scale += 1
    return " ".join(reversed(groups))


def ordinal(n: int) -> str:
    """``21`` as ``twenty-first``."""
    head, dash, last = re.fullmatch(r"(?:(.*)([- ]))?(\w+)", cardinal(n)).groups(default="")  # type: ignore[union-attr]
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return f"{head}{dash}{last}"


def digits(text: str) -> str:
    """Each digit by itself: ``407`` as ``four zero seven``."""
    return " ".join(_SMALL[int(d)] for d in text if d.isdigit())


def year(n: int) -> str:
    """``1984`` as ``nineteen eighty-four``; outside 1100-2099, and for 2000-2009, as any number."""
    if not 1100 <= n <= 2099 or 2000 <= n <= 2009:
        return cardinal(n)
    high, low = divmod(n, 100)
    if low == 0:
        return f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def decimal(text: str) -> str:
    """``-3.14`` or ``1,250.5`` in words."""
    sign = ""
    if text[:1] in "-−–":
        sign, text = "minus ", text[1:]
    elif text[:1] == "+":
        sign, text = "plus ", text[1:]
    whole, _, fraction = text.replace(",", "").partition(".")
    words = cardinal(int(whole)) if whole else "zero"
    if len(whole) > LONGEST or (len(whole) > 1 and whole.startswith("0")):
        words = digits(whole)
    return sign + words + (f" point {digits(fraction)}" if fraction else "")
