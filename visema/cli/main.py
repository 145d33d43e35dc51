"""Runs a command line: exit code 0 for success, 2 for what the user can mend, 1 for what only we can, 130 for Ctrl-C.

Nothing heavy is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import tempfile
import textwrap
import traceback
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TextIO

from visema.errors import VisemaError

log = logging.getLogger(__name__)

INTERRUPTED, TERMINATED, UNEXPECTED = 130, 143, 1
#: An error log that has grown over this is started anew.
LOG_BYTES = 1 << 20


class _Terminated(BaseException):
    """The system asked us to end; raised so that half-written files are removed on the way out."""


class _Notes(logging.Formatter):
    """Log records as a user reads them on the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        word = {logging.WARNING: "note: ", logging.ERROR: "error: ", logging.CRITICAL: "error: "}
        return word.get(record.levelno, "") + super().format(record)


class _Once(logging.Filter):
    """Lets each message pass once: a note may come with a speech and by the log."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self._said
        self._said.add(message)
        return new


def main(arguments: list[str] | None = None) -> int:
    """Run the command line ``arguments``, the process's own by default, and give the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "-v" in arguments or "--verbose" in arguments
    quiet_libraries(verbose)
    _log_to_terminal(verbose)
    _end_tidily()
    try:
        from visema import settings
        from visema.cli.arguments import parse

        options = parse(arguments)
        settings.load()
        options = replace(options, offline=options.offline or settings.OFFLINE.of())
        from visema.cli.commands import run

        return run(options)
    except VisemaError as e:
        if verbose:
            traceback.print_exc()
        _say(e.what, e.hint)
        return e.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except BrokenPipeError:
        # Whoever read our output (such as `head`) has had enough. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _say("The memory of this machine is not enough.", "Close other programs, or choose a smaller video.")
        return 2
    except Exception as e:
        if verbose:
            traceback.print_exc()
        _say(
            f"Something unexpected went wrong: {type(e).__name__}: {e}.",
            f"The details are in {_write_log(arguments)}; please report them.",
        )
        return UNEXPECTED


def _say(what: str, hint: str) -> None:
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(textwrap.indent(hint, " " * len("error: ")), file=sys.stderr)


def quiet_libraries(verbose: bool) -> None:
    """Libraries greet, warn and phone home unless told otherwise before they are loaded.

    MediaPipe and ALSA write to the terminal past Python and past every setting. So Python keeps the terminal for
    itself, and what is written past it goes nowhere, unless ``--verbose`` asks for everything.
    """
    quiet = {
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GLOG_minloglevel": "0" if verbose else "2",
        "TF_CPP_MIN_LOG_LEVEL": "0" if verbose else "3",
        "OPENCV_LOG_LEVEL": "INFO" if verbose else "ERROR",
        # The products of matrices here are small: sharing them out took 2 ms CPU a picture and saved none.
        "OPENBLAS_NUM_THREADS": "1",
    }
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    stream: TextIO | None = sys.stderr
    if verbose or stream is not sys.__stderr__ or stream is None:
        return
    try:
        terminal = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # there is no standard error, as under pythonw
        return
    stream.flush()
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding=stream.encoding, errors="backslashreplace")
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _log_to_terminal(verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Notes("%(name)s: %(message)s" if verbose else "%(message)s"))
    handler.addFilter(_Once())
    logger = logging.getLogger("visema")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)


def _end_tidily() -> None:
    """Let the blocks that remove half-written files run when the system ends us."""

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise _Terminated

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, terminate)


def _write_log(arguments: list[str]) -> Path:
    """Append the error that is being handled to a log in the cache, or in the temporary folder; its path."""
    from visema import __version__
    from visema.paths import cache_dir

    text = (
        f"{datetime.now():%Y-%m-%d %H:%M:%S} visema {__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}\narguments: {arguments}\n{traceback.format_exc()}\n"
    )
    name = "visema.log"
    for path in (cache_dir() / name, Path(tempfile.gettempdir()) / name):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            grown = path.exists() and path.stat().st_size > LOG_BYTES
            with path.open("w" if grown else "a", encoding="utf-8") as file:
                file.write(text)
        except OSError as e:
            log.warning("%s cannot be written: %s", path, e)
        else:
            return path
    return Path(name)
