"""`--batch jobs.csv`: a film for each row, as many at a time as there are cores, begun again where it was left."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from visema.cli.arguments import DEFAULT_VOICE, Options
from visema.cli.commands import find_video
from visema.cli.progress import progress_bar
from visema.errors import InputError, VisemaError
from visema.paths import atomic_file

log = logging.getLogger(__name__)

#: Columns that a table may have; ``face`` and ``output`` it must, and ``text`` or ``audio``.
COLUMNS: Final = (
    "face", "text", "audio", "voice", "output", "language", "style", "expression", "number", "fps", "resolution",
    "crop", "engine",
)  # fmt: skip
#: Rows of one table.
MOST_ROWS: Final = 100_000
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Row:
    """A film that is wanted.

    Attributes:
        line: Of the table, for people.
        cells: By column, without empty ones.
        folder: That relative paths start from: the table's.
    """

    line: int
    cells: dict[str, str]
    folder: Path

    def path(self, column: str) -> Path:
        """A column's file."""
        return self.folder / Path(self.cells[column]).expanduser()


@dataclass(frozen=True)
class Outcome:
    """What became of a row: `DONE`, `SKIPPED` or `FAILED`, in how many seconds, and why or with which notes."""

    line: int
    output: str
    state: str
    seconds: float = 0.0
    said: str = ""


def run_batch(options: Options) -> int:
    """Make the films of ``options.batch``; 2 where one could not be made, else 0.

    Raises:
        InputError: The table cannot be read, or has not the columns it needs.
    """
    table = options.batch
    assert table is not None
    if options.save or options.ui or options.audio or options.text is not None:
        raise InputError(
            "--batch takes its words and files from the table.", "Leave out --text, --audio, --save, --ui."
        )
    began = time.perf_counter()
    rows, outcomes = read_rows(table)
    ledger = Ledger(table.with_name(f"{table.name}.done.json"))
    waiting: list[tuple[Row, str]] = []
    for row in rows:
        try:
            mark = fingerprint(row, options)
            if ledger.has(row, mark) and not options.force:
                outcomes.append(Outcome(row.line, row.cells["output"], SKIPPED))
            else:
                waiting.append((row, mark))
        except VisemaError as e:
            outcomes.append(Outcome(row.line, row.cells["output"], FAILED, said=str(e)))
    # the table and the options of the command line are what a worker needs; a film is a few seconds of one core
    workers = min(options.workers or os.cpu_count() or 1, max(1, len(waiting)))
    with progress_bar("Making films", "film") as bar:
        for mark, row, outcome in _made(waiting, options, workers):
            outcomes.append(outcome)
            if outcome.state == DONE:
                ledger.add(row, mark)
            if bar:
                bar(sum(o.state != SKIPPED for o in outcomes), len(waiting))
    print(summary(sorted(outcomes, key=lambda o: o.line), time.perf_counter() - began))
    return 2 if any(o.state == FAILED for o in outcomes) else 0


def read_rows(table: Path) -> tuple[list[Row], list[Outcome]]:
    """The films of a table, and the rows that ask for none.

    Raises:
        InputError: It is no CSV in UTF-8, or a column is missing or unknown.
    """
    try:
        text = table.read_text("utf-8-sig")
    except OSError as e:
        raise InputError(f"Cannot read {table}: {e.strerror}.", "Check the path after --batch.") from e
    except UnicodeDecodeError as e:
        raise InputError(f"{table.name} holds no UTF-8 text.", "Save it as CSV in UTF-8.") from e
    head = text.split("\n", 1)[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=head.count), strict=True)
    rows: list[Row] = []
    bad: list[Outcome] = []
    outputs: dict[Path, int] = {}
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_columns(table, names)
        line = reader.line_num + 1
        for values in reader:
            cells = {n: v.strip() for n, v in zip(names, values, strict=False) if v.strip()}
            row = Row(line, cells, table.absolute().parent)
            line = reader.line_num + 1
            if not cells:
                continue
            reason = _what_is_wrong(row, values, names, outputs)
            if reason:
                bad.append(Outcome(row.line, cells.get("output", ""), FAILED, said=reason))
            else:
                outputs[row.path("output").resolve()] = row.line
                rows.append(row)
            if len(rows) > MOST_ROWS:
                raise InputError(f"{table.name} has more than {MOST_ROWS} rows.", "Cut it into parts.")
    except csv.Error as e:
        raise InputError(f"{table.name} is no CSV: line {reader.line_num}: {e}.", "Close every quote.") from e
    return rows, bad


def fingerprint(row: Row, options: Options) -> str:
    """What a film is made from: its cells, the command line's settings, and the content of its files.

    Raises:
        InputError: A file cannot be read.
    """
    total = hashlib.sha256()
    shared = {k: str(v) for k, v in asdict(options).items() if k in _SHARED}
    total.update(json.dumps([row.cells, shared], sort_keys=True).encode())
    text = row.cells.get("text", "")
    files = [face_of(row)]
    files += [row.path("audio")] if "audio" in row.cells else []
    files += [row.folder / text[1:]] if text.startswith("@") and (row.folder / text[1:]).is_file() else []
    for path in files:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        except OSError as e:
            raise InputError(f"Cannot read {path}: {e.strerror}.", "Check the path in the table.") from e
    return total.hexdigest()


def face_of(row: Row) -> Path:
    """The row's photo or video: at its path, else by that name in ``assets/``."""
    path = row.path("face")
    return path if path.is_file() else find_video(row.cells["face"])


def make_row(row: Row, options: Options) -> Outcome:
    """Make one film; whatever goes wrong is its outcome."""
    from visema.cli.speech import speak_and_show

    began = time.perf_counter()
    cells, output = row.cells, row.path("output")
    notes: list[str] = []
    handler = _Notes(notes)
    logging.getLogger("visema").addHandler(handler)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        text = cells.get("text")
        if text and text.startswith("@") and (row.folder / text[1:]).is_file():
            text = f"@{row.folder / text[1:]}"
        speak_and_show(
            replace(
                options,
                batch=None,
                video=str(face_of(row)),
                text=text,
                audio=row.path("audio") if "audio" in cells else None,
                voice=cells.get("voice", options.voice or DEFAULT_VOICE),
                save=output,
                language=cells.get("language", options.language),
                style=cells.get("style", options.style),
                expression=cells.get("expression", options.expression),
                face=_number(cells, "number", options.face),
                fps=float(cells["fps"]) if "fps" in cells else options.fps,
                resolution=cells.get("resolution", options.resolution),
                crop=cells.get("crop", options.crop),
                engine=cells.get("engine", options.engine),
                play=False,
            )
        )
    except VisemaError as e:
        return Outcome(row.line, cells["output"], FAILED, time.perf_counter() - began, str(e))
    except ValueError:
        return Outcome(row.line, cells["output"], FAILED, said=f"'{cells.get('fps')}' is not a frame rate.")
    except (OSError, MemoryError) as e:
        return Outcome(row.line, cells["output"], FAILED, time.perf_counter() - began, f"{type(e).__name__}: {e}")
    finally:
        logging.getLogger("visema").removeHandler(handler)
    return Outcome(row.line, cells["output"], DONE, time.perf_counter() - began, " ".join(dict.fromkeys(notes)))


def summary(outcomes: Iterable[Outcome], seconds: float) -> str:
    """The table that is printed at the end."""
    outcomes = list(outcomes)
    width = max([len("output"), *(len(o.output) for o in outcomes)])
    lines = [f"{'line':>5}  {'output':<{width}}  {'state':<7} {'seconds':>7}"]
    for o in outcomes:
        spent = f"{o.seconds:7.1f}" if o.state != SKIPPED else " " * 7
        lines.append(f"{o.line:>5}  {o.output:<{width}}  {o.state:<7} {spent}  {o.said}".rstrip())
    count = {state: sum(o.state == state for o in outcomes) for state in (DONE, SKIPPED, FAILED)}
    counted = ", ".join(f"{n} {state}" for state, n in count.items())
    lines.append(f"{counted}, in {seconds:.1f} s.")
    return "\n".join(lines)


class Ledger:
    """Which films of a table are finished, and what each was made from: a file beside the table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: dict[str, str] = {}
        try:
            told = json.loads(path.read_text("utf-8"))
            self._marks = {str(k): str(v) for k, v in told.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError) as e:
            log.warning("%s cannot be used (%s), so every film is made again.", path.name, e)

    def has(self, row: Row, mark: str) -> bool:
        """Whether the row's film is there, made from the same."""
        return self._marks.get(row.cells["output"]) == mark and row.path("output").is_file()

    def add(self, row: Row, mark: str) -> None:
        """The row's film is finished."""
        self._marks[row.cells["output"]] = mark
        with atomic_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._marks, indent=1, ensure_ascii=False) + "\n", "utf-8")


#: Arguments of the command line that a film depends on.
_SHARED: Final = frozenset(
    {"voice", "language", "style", "expression", "face", "fps", "resolution", "crop", "engine", "size", "rate"}
    | {"pitch", "volume", "offline", "label", "mark", "frame"}
)


class _Notes(logging.Handler):
    """Collects what is worth telling about a film."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        self._notes.append(record.getMessage())


def _number(cells: dict[str, str], column: str, default: int) -> int:
    if column not in cells:
        return default
    if not cells[column].isdecimal():
        raise InputError(f"'{cells[column]}' is not the number of a face.", "Count from 1, the largest.")
    return int(cells[column])


def _check_columns(table: Path, names: list[str]) -> None:
    hint = "The first line names the columns: face, text or audio, voice, output."
    if unknown := [name for name in names if name and name not in COLUMNS]:
        raise InputError(f"{table.name} has a column '{unknown[0]}'.", f"Columns are: {', '.join(COLUMNS)}.")
    for needed in ("face", "output"):
        if needed not in names:
            raise InputError(f"{table.name} has no column '{needed}'.", hint)
    if "text" not in names and "audio" not in names:
        raise InputError(f"{table.name} has neither a column 'text' nor 'audio'.", hint)


def _what_is_wrong(row: Row, values: list[str], names: list[str], outputs: dict[Path, int]) -> str:
    cells = row.cells
    if len(values) > len(names):
        return "There are more values than columns; put quotes around a text with commas."
    for needed in ("face", "output"):
        if needed not in cells:
            return f"There is no {needed}."
    if "text" not in cells and "audio" not in cells:
        return "There is neither a text nor a recording."
    if Path(cells["output"]).suffix.lower() != ".mp4":
        return f"'{cells['output']}' is not the name of an mp4."
    if (other := outputs.get(row.path("output").resolve())) is not None:
        return f"Line {other} writes the same file."
    return ""


def _made(waiting: list[tuple[Row, str]], options: Options, workers: int) -> Iterable[tuple[str, Row, Outcome]]:
    """Outcomes as they come; processes, because a recogniser lets nothing else of its process run."""
    if not waiting:
        return
    # fresh processes: a fork would take over locks that threads of this one hold
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(options.verbose,)) as pool:
        jobs: dict[Future[Outcome], tuple[Row, str]] = {}
        try:
            for row, mark in waiting:
                jobs[pool.submit(make_row, row, options)] = (row, mark)
            for job in as_completed(jobs):
                row, mark = jobs[job]
                try:
                    outcome = job.result()
                except BrokenProcessPool:
                    said = "Its process ended unexpectedly; the memory of this machine may not be enough."
                    outcome = Outcome(row.line, row.cells["output"], FAILED, said=said)
                yield mark, row, outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in (pool._processes or {}).values():
                process.terminate()
            raise


def _begin(verbose: bool) -> None:
    """Make a worker's process quiet: what is worth telling of a film goes into its outcome."""
    from visema.cli.main import quiet_libraries

    quiet_libraries(verbose)
    # for as long as the process lives
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
