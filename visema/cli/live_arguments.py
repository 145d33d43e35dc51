"""The arguments of every server for its live view and for HTTPS, and what they come to."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from visema.errors import InputError

if TYPE_CHECKING:
    from visema.live.theatre import LiveOptions


@dataclass(frozen=True)
class LiveArguments:
    """What `add` adds, understood."""

    shared: bool
    seats: int
    record: Path | None
    origin: list[str]
    tls_cert: Path | None
    tls_key: Path | None

    @property
    def live(self) -> LiveOptions:
        """How the page's live view is run."""
        from visema.live.theatre import LiveOptions

        return LiveOptions(shared=self.shared, seats=self.seats, record=self.record, origins=tuple(self.origin))

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key, or None for plain HTTP.

        Raises:
            InputError: One of them is missing.
        """
        if self.tls_cert and self.tls_key:
            return self.tls_cert, self.tls_key
        if self.tls_cert or self.tls_key:
            raise InputError("HTTPS needs --tls-cert and --tls-key.", "Give both, or none for plain HTTP.")
        return None


def live_arguments(parsed: argparse.Namespace) -> LiveArguments:
    """Those of a parser that has `add`'s."""
    return LiveArguments(**{field.name: getattr(parsed, field.name) for field in fields(LiveArguments)})


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to ``parser``."""
    group = parser.add_argument_group("live view").add_argument
    group("--shared", action="store_true", help="one stage for all visitors, as a broadcast (default: one for each)")
    group(
        "--seats",
        metavar="N",
        default=0,
        type=_seats,
        help="how many may talk at once; others wait in a line (default: 6 for each core)",
    )
    group("--record", metavar="FOLDER", type=Path, help="record every live talk there, as mp4")
    group(
        "--origin",
        metavar="ADDRESS",
        action="append",
        default=[],
        type=_origin,
        help="another site that may embed the live view, such as https://example.org; may be repeated",
    )
    group("--tls-cert", metavar="FILE", type=Path, help="certificate chain (PEM): serve HTTPS")
    group("--tls-key", metavar="FILE", type=Path, help="its key (PEM)")


def _seats(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seats; it must be 1 to 1000")
    return int(text)


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+", text.rstrip("/")):
        raise argparse.ArgumentTypeError(f"'{text}' is not an address such as https://example.org")
    return text.rstrip("/")
