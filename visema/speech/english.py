"""What an English reader says for numbers, abbreviations, units and signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from visema.speech.numbers import cardinal, decimal, digits, ordinal, year

_ABBREVIATIONS: Final = {
    "dr.": "Doctor", "mr.": "Mister", "mrs.": "Missus", "ms.": "Miz", "prof.": "Professor", "jr.": "Junior",
    "sr.": "Senior", "vs.": "versus", "vs": "versus", "etc.": "et cetera", "e.g.": "for example", "i.e.": "that is",
    "approx.": "approximately", "inc.": "Incorporated", "ltd.": "Limited", "corp.": "Corporation",
    "dept.": "department",
    "est.": "established", "ave.": "Avenue", "blvd.": "Boulevard", "rd.": "Road", "gen.": "General",
    "sgt.": "Sergeant",
    "capt.": "Captain", "rev.": "Reverend", "hon.": "Honorable", "govt.": "government", "a.m.": "AM", "p.m.": "PM",
    "w/": "with", "w/o": "without", "u.s.": "U S", "u.k.": "U K", "mt.": "Mount", "ft.": "feet", "jan.": "January",
    "feb.": "February", "aug.": "August", "sept.": "September", "oct.": "October", "nov.": "November",
    "dec.": "December", "&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "×": "times",
    "÷": "divided by",
    "≈": "approximately", "≤": "at most", "≥": "at least", "<": "less than", ">": "greater than", "№": "number",
}  # fmt: skip
_TITLES: Final = frozenset(
    [
        "Doctor",
        "Mister",
        "Missus",
        "Miz",
        "Professor",
        "General",
        "Sergeant",
        "Captain",
        "Reverend",
        "Honorable",
        "Mount",
        "Saint",
        "Number",
        "versus",
    ]
)
_UNITS: Final = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "g": "gram",
    "mg": "milligram", "l": "liter", "ml": "milliliter", "km/h": "kilometer per hour", "kph": "kilometer per hour",
    "mph": "mile per hour", "lb": "pound", "lbs": "pound", "oz": "ounce", "ft": "foot", "in": "", "kb": "kilobyte",
    "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz",
    "ghz": "gigahertz", "ms": "millisecond", "sec": "second", "min": "minute", "hr": "hour", "hrs": "hour",
    "kw": "kilowatt",
    "°c": "degree Celsius", "°f": "degree Fahrenheit", "°": "degree", "%": "percent", "px": "pixel",
    "fps": "frame per second",
    "am": "AM", "pm": "PM",
}  # fmt: skip
_UNCOUNTED: Final = frozenset({"percent", "hertz", "kilohertz", "megahertz", "gigahertz", "AM", "PM"})
_CURRENCIES: Final = {
    "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "₽": ("ruble", "kopeck"),
    "¥": ("yen", ""), "₹": ("rupee", "paisa"), "₴": ("hryvnia", "kopiyka"),
}  # fmt: skip
_MAGNITUDES: Final = {"k": "thousand", "m": "million", "bn": "billion", "b": "billion"}
_MAGNITUDE_WORDS: Final = frozenset({"hundred", "thousand", "million", "billion", "trillion"})
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_FRACTIONS: Final = {
    "½": "one half", "¼": "one quarter", "¾": "three quarters", "⅓": "one third", "⅔": "two thirds", "⅛": "one eighth",
}  # fmt: skip
_DENOMINATORS: Final = {2: "half", 3: "third", 4: "quarter"}

_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_MONEY: Final = re.compile(rf"([-−]?)([$€£₽¥₹₴])({_NUMBER})(k|m|bn|b)?", re.IGNORECASE)
_MONEY_AFTER: Final = re.compile(rf"({_NUMBER})([$€£₽¥₹₴])")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(am|pm)?", re.IGNORECASE)
_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_ORDINAL: Final = re.compile(r"(\d+)(?:st|nd|rd|th)", re.IGNORECASE)
_DECADE: Final = re.compile(r"['’]?(\d{2}|\d{4})['’]?s")
_RANGE: Final = re.compile(rf"({_NUMBER})[-–—]({_NUMBER})(%?)")
_FRACTION: Final = re.compile(r"(\d{1,3})/(\d{1,3})")
_PHONE: Final = re.compile(r"\+?\(?\d{1,4}\)?(?:[-.]\d{2,4}){2,}|\+\d{7,15}|0\d{6,14}")
_VERSION: Final = re.compile(r"v?\d+(?:\.\d+){2,}", re.IGNORECASE)
_WITH_UNIT: Final = re.compile(rf"([-−+]?{_NUMBER})(°[CFcf]?|%|[A-Za-z]{{1,3}}(?:/h)?)")
_PLAIN: Final = re.compile(rf"[-−+]?{_NUMBER}")
_URL: Final = re.compile(r"(?:https?://)?(?:www\.)?((?:[\w-]+\.)+[a-z]{2,}(?:/\S*)?)", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HASHTAG: Final = re.compile(r"#(\w+)")


def say(word: str, before: str = "", after: str = "") -> str:
    """What is said for ``word`` (without spaces, with its punctuation) between its neighbours."""
    lead, body, tail = split_punctuation(word)
    spoken = _abbreviation(body, tail, after)
    if spoken is not None:
        # The dot of an abbreviation also ends a sentence only where the next word begins one.
        ends = (not after or after[:1].isupper()) and spoken not in _TITLES
        return lead + spoken + (tail if ends else tail.removeprefix("."))
    spoken = _number(body, before, after)
    if spoken is None:
        spoken = _signs(body)
    return lead + spoken + tail


def split_punctuation(word: str) -> tuple[str, str, str]:
    """Opening marks, the word, closing marks."""
    body = word.lstrip("\"'“”‘’«([{¿¡")
    lead = word[: len(word) - len(body)]
    core = body.rstrip("\"'“”’»)]},.;:!?…")
    return lead, core, body[len(core) :]


def _abbreviation(body: str, tail: str, after: str) -> str | None:
    dotted = body + "." if tail.startswith(".") else body
    if body in ("St", "St."):
        return "Saint" if after[:1].isupper() and tail.startswith(".") else "Street" if tail.startswith(".") else None
    if body in ("No", "no") and tail.startswith(".") and after[:1].isdigit():
        return "Number"
    return _ABBREVIATIONS.get(dotted.lower()) or _ABBREVIATIONS.get(body.lower())


def money(body: str, magnitude: str = "") -> str | None:
    """``$5.50``, or ``$1.2`` with the word ``million`` after it; None if it is no money."""
    match = _MONEY.fullmatch(body)
    if match:
        sign, symbol, amount, short = match.groups()
    else:
        after = _MONEY_AFTER.fullmatch(body)
        if not after:
            return None
        (amount, symbol), sign, short = after.groups(), "", ""
    unit, cent = _CURRENCIES[symbol]
    minus = "minus " if sign else ""
    magnitude = magnitude or _MAGNITUDES.get((short or "").lower(), "")
    if magnitude:
        return f"{minus}{decimal(amount)} {magnitude} {_plural(unit)}"
    whole, _, fraction = amount.replace(",", "").partition(".")
    cents = int(fraction) if len(fraction) == 2 and cent else 0
    if fraction and not (len(fraction) == 2 and cent):
        return f"{minus}{decimal(amount)} {_plural(unit)}"
    units = f"{decimal(whole)} {unit if int(whole) == 1 else _plural(unit)}"
    if not cents:
        return minus + units
    small = f"{cardinal(cents)} {cent if cents == 1 else 'pence' if cent == 'penny' else _plural(cent)}"
    return minus + (small if int(whole) == 0 else f"{units} and {small}")


def is_magnitude(word: str) -> bool:
    """Whether ``word`` is one like ``million`` that stands before the name of a currency."""
    return split_punctuation(word)[1].lower() in _MAGNITUDE_WORDS


def _plural(unit: str) -> str:
    return unit if unit in ("yen", "hryvnia", "paisa") else unit + "s"


def _number(body: str, before: str, after: str) -> str | None:
    number = split_punctuation(before)[1]
    if _UNITS.get(body.lower()) and (_PLAIN.fullmatch(number) or _TIME.fullmatch(number)):
        return _unit(body, number)
    if body in _FRACTIONS:
        return _FRACTIONS[body]
    if not any(c.isdigit() for c in body) or (not body.isascii() and not re.search(r"[\d$€£₽¥₹₴°−–—½¼¾⅓⅔⅛×]", body)):
        return None
    if (spoken := money(body)) is not None:
        return spoken
    if match := _TIME.fullmatch(body):
        return _time(match, after)
    if match := _DATE.fullmatch(body):
        return _date(match)
    if match := _ORDINAL.fullmatch(body):
        return ordinal(int(match[1]))
    if match := _DECADE.fullmatch(body):
        return _decade(match[1])
    if _PHONE.fullmatch(body) or _VERSION.fullmatch(body):
        return _digit_groups(body)
    if match := _RANGE.fullmatch(body):
        return f"{_plain(match[1])} to {_plain(match[2])}{' percent' if match[3] else ''}"
    if match := _FRACTION.fullmatch(body):
        return _fraction(int(match[1]), int(match[2]))
    if match := _WITH_UNIT.fullmatch(body):
        unit = match[2].lower()
        if unit in _MAGNITUDES and unit != "m":
            return f"{decimal(match[1])} {_MAGNITUDES[unit]}"
        if _UNITS.get(unit):
            return f"{decimal(match[1])} {_unit(unit, match[1])}"
        return None
    if match := re.fullmatch(rf"#({_NUMBER})", body):
        return f"number {_plain(match[1])}"
    if len(body) > 1 and body[-1] in _FRACTIONS and body[:-1].isdigit():
        return f"{cardinal(int(body[:-1]))} and {_FRACTIONS[body[-1]].replace('one ', 'a ', 1)}"
    return _plain(body) if _PLAIN.fullmatch(body) else None


def _plain(text: str) -> str:
    return year(int(text)) if re.fullmatch(r"[12]\d{3}", text) else decimal(text)


def _unit(unit: str, number: str) -> str:
    name = _UNITS[unit.lower()]
    if name in _UNCOUNTED or number.lstrip("-−+") == "1":
        return name
    if name == "foot":
        return "feet"
    first, _, rest = name.partition(" ")
    return f"{first}s {rest}".strip()


def _time(match: re.Match[str], after: str) -> str:
    hour, minute, second, half = match.groups()
    out = cardinal(int(hour))
    half_follows = bool(half) or split_punctuation(after)[1].lower().replace(".", "") in ("am", "pm")
    if int(minute):
        out += f" oh {cardinal(int(minute))}" if minute.startswith("0") else f" {cardinal(int(minute))}"
    elif not half_follows and not second:
        out += " o'clock" if int(hour) <= 12 else " hundred"
    if second:
        out += f" and {cardinal(int(second))} seconds"
    return out + (f" {half[0].upper()}M" if half else "")


def _date(match: re.Match[str]) -> str | None:
    y, m, d = (int(g) for g in match.groups())
    return f"{_MONTHS[m - 1]} {ordinal(d)} {year(y)}" if 1 <= m <= 12 and 1 <= d <= 31 else None


def _decade(text: str) -> str:
    words = year(int(text)) if len(text) == 4 else cardinal(int(text))
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _digit_groups(body: str) -> str:
    if _VERSION.fullmatch(body):
        return " point ".join(_plain(p) for p in body.lstrip("vV").split("."))
    groups = [digits(g) for g in re.findall(r"\d+", body)]
    return ("plus " if body.startswith("+") else "") + ", ".join(groups)


def _fraction(top: int, bottom: int) -> str | None:
    if not top or not bottom or top >= bottom:
        return None
    name = _DENOMINATORS.get(bottom) or ordinal(bottom)
    plural = "halves" if name == "half" else name + "s"
    return f"{cardinal(top)} {name if top == 1 else plural}"


def _signs(body: str) -> str:
    if _EMAIL.fullmatch(body):
        return _address(body.replace("@", " at "))
    match = _URL.fullmatch(body)
    if match and (body.lower().startswith(("http", "www.")) or "/" in body or body.islower()):
        return _address(match[1].split("?")[0].rstrip("/"))
    if match := _HASHTAG.fullmatch(body):
        return f"hashtag {match[1].replace('_', ' ')}"
    body = re.sub(r"(?<=\w)&(?=\w)", " and ", body)
    return re.sub(r"(?<=\w)[/_](?=\w)", " ", body)


def _address(text: str) -> str:
    for sign, name in ((".", " dot "), ("/", " slash "), ("-", " dash "), ("_", " underscore "), ("+", " plus ")):
        text = text.replace(sign, name)
    text = re.sub(r"\d+", lambda m: f" {decimal(m[0])} ", text)
    return " ".join(text.split())


def say_all(words: Sequence[str]) -> list[tuple[str, str]]:
    """Written words and what is said for them, in order; ``$2`` and ``million`` are said as one."""
    out: list[tuple[str, str]] = []
    i = 0
    while i < len(words):
        before = words[i - 1] if i else ""
        after = words[i + 1] if i + 1 < len(words) else ""
        lead, body, tail = split_punctuation(words[i])
        if after and not tail and is_magnitude(after):
            _, magnitude, end = split_punctuation(after)
            if (spoken := money(body, magnitude)) is not None:
                out.append((f"{words[i]} {after}", lead + spoken + end))
                i += 2
                continue
        out.append((words[i], say(words[i], before, after)))
        i += 1
    return out
