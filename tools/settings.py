"""Writes what is made of the table of settings: ``.env.example`` and the tables of ``docs/settings.md``."""

from __future__ import annotations

from pathlib import Path

from visema import settings

ROOT = Path(__file__).resolve().parent.parent
MARK = "<!-- the table is made by `python -m tools.settings`; tests hold it to visema/settings.py -->"


def main() -> None:
    """Write both."""
    (ROOT / ".env.example").write_text(settings.example_file(), "utf-8")
    document = ROOT / "docs" / "settings.md"
    head = document.read_text("utf-8").partition(MARK)[0]
    document.write_text(f"{head}{MARK}\n\n{settings.table()}", "utf-8")


if __name__ == "__main__":
    main()
