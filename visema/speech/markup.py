"""Markdown and HTML taken off a text, so that only what is meant to be read is left."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final


def _row(match: re.Match[str]) -> str:
    return ", ".join(cell.strip() for cell in match[1].split("|") if cell.strip()) + "\n\n"


_RULES: Final[tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]] = (
    (r"<!--[\s\S]*?-->", " "),
    (r"<(script|style)\b[^>]*>[\s\S]*?</\1\s*>", " "),
    (r"<break\s+time\s*=\s*[\"']?([\d.]+\s*m?s)[\"']?\s*/?>", r" [pause \1] "),
    (r"<(?:br|p|div|li|h[1-6]|tr)\b[^<>]*>|</(?:p|div|li|h[1-6]|tr)\s*>", "\n\n"),
    (r"</?[A-Za-z][\w:-]*(?:\s[^<>]*)?/?>", ""),
    (r"^ {0,3}(?:`{3,}|~{3,}).*$", ""),
    (r"^\s*(?:[-*_]\s*){3,}$", ""),
    (r"^\s*\|?[\s:|-]*-{2,}[\s:|-]*\|?\s*$", ""),
    (r"^(?:=+|-+)\s*$", ""),
    (r"^\s*\|(.*)\|\s*$", _row),
    (r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$", r"\n\1\n\n"),
    (r"^\s*(?:>\s?)+", ""),
    (r"^\s*(?:[-*+•‣▪◦]|\d{1,3}\))\s+(?:\[[ xX]\]\s+)?(.*)$", r"\n\1\n"),
    (r"^\s*(\d{1,3}\.)\s+(.*)$", r"\n\1 \2\n"),
    (r"!\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)", r"\1"),
    (r"\[([^\]]+)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)", r"\1"),
    (r"\[(?![Pp][Aa][Uu][Ss][Ee]\s)([^\]]+)\]\[[^\]]*\]", r"\1"),
    (r"^\s*\[[^\]]+\]:\s+\S+.*$", ""),
    (r"\[\^[^\]]+\]:?", ""),
    (r"<(https?://[^<>\s]+)>", r"\1"),
    (r"(`+)(.+?)\1", r"\2"),
    (r"(\*\*\*|\*\*|~~|__)(?=\S)(.+?)(?<=\S)\1", r"\2"),
    (r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1"),
    (r"(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=\S)_(?![\w_])", r"\1"),
    (r"\\([\\`*_{}\[\]()#+.!|>~-])", r"\1"),
)
_MARKUP: Final = tuple((re.compile(pattern, re.MULTILINE), replacement) for pattern, replacement in _RULES)
_END: Final = tuple(".!?…:;,。！？：；，।؟")


def strip_markup(text: str) -> str:
    """Plain text: one paragraph a line, each but the last ended so that the voice pauses after it."""
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = html.unescape(text).replace("\u00a0", " ")
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text) if p.strip()]
    return "\n".join([*(_ended(p) for p in paragraphs[:-1]), *paragraphs[-1:]])


def _ended(paragraph: str) -> str:
    bare = paragraph.rstrip("\"'”’»)]*_ ")
    return paragraph if not bare or bare.endswith(_END) else paragraph + "."
