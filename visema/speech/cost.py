"""What a speech cost: characters, seconds and money, by a table of prices that its user may replace."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from visema.errors import InputError
from visema.speech.access import value_of

#: Where a table of one's own is named: the same columns, its lines found before ours.
VARIABLE: Final = "VISEMA_PRICES"
_TABLE: Final = Path(__file__).with_name("prices.tsv")
_COLUMNS: Final = ("engine", "model", "per_1000_characters", "per_minute", "currency")
_ANY: Final = "*"


@dataclass(frozen=True)
class CostRecord:
    """What was used for a speech, for whoever keeps the books.

    Attributes:
        engine: Who spoke, such as ``openai``.
        model: Its model, where it has several.
        characters: Sent, or charged where the service says so.
        seconds: Of sound.
        money: By the table of prices; 0 for what speaks on this machine.
        currency: Of ``money``.
        cached: The speech was kept from before: nothing was sent, nothing is charged.
        priced: Whether the table has a price; without one ``money`` is 0 and says nothing.
    """

    engine: str
    model: str = ""
    characters: int = 0
    seconds: float = 0.0
    money: float = 0.0
    currency: str = "USD"
    cached: bool = False
    priced: bool = True

    def __add__(self, other: CostRecord) -> CostRecord:
        """Both together; they are of one engine."""
        return CostRecord(
            self.engine,
            self.model,
            self.characters + other.characters,
            self.seconds + other.seconds,
            self.money + other.money,
            self.currency,
            self.cached and other.cached,
            self.priced and other.priced,
        )

    def to_json(self) -> dict[str, Any]:
        """Its fields, for a job's row."""
        return asdict(self)


class Price(NamedTuple):
    """A line of the table."""

    engine: str
    model: str
    per_1000_characters: float
    per_minute: float
    currency: str


def cost_of(engine: str, model: str, characters: int, seconds: float, *, cached: bool = False) -> CostRecord:
    """What ``characters`` that became ``seconds`` of sound cost; kept speech costs nothing.

    Raises:
        InputError: The user's table cannot be read.
    """
    if cached:
        return CostRecord(engine, model, characters, seconds, cached=True)
    price = next((p for p in prices() if p.engine == engine and p.model in (model, _ANY)), None)
    if price is None:
        return CostRecord(engine, model, characters, seconds, priced=False)
    money = characters / 1000 * price.per_1000_characters + seconds / 60 * price.per_minute
    return CostRecord(engine, model, characters, seconds, round(money, 6), price.currency)


def prices() -> list[Price]:
    """All lines: the user's own first.

    Raises:
        InputError: The user's table cannot be read.
    """
    own = value_of(VARIABLE)
    return [*(_read(Path(own)) if own else []), *_read(_TABLE)]


def _read(path: Path) -> list[Price]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(
            "The table of prices {path} cannot be read.", "Check the path in {variable}.", path=path, variable=VARIABLE
        ) from e
    out = []
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if not line.strip() or line.startswith("#") or cells[: len(_COLUMNS)] == list(_COLUMNS):
            continue
        try:
            engine, model, characters, minute, currency = (cell.strip() for cell in cells[: len(_COLUMNS)])
            price = Price(engine, model, float(characters), float(minute), currency)
        except ValueError as e:
            raise _unreadable(path, number) from e
        if not (0 <= price.per_1000_characters < math.inf and 0 <= price.per_minute < math.inf):
            raise _unreadable(path, number)
        out.append(price)
    return out


def _unreadable(path: Path, number: int) -> InputError:
    return InputError(
        "Line {line} of the table of prices {path} cannot be read.",
        "It needs five columns, with tabs between: {columns}.",
        line=number,
        path=path,
        columns=", ".join(_COLUMNS),
    )
