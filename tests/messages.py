"""Every sentence that the program can say to a user, as its code has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from visema.paths import ROOT

#: What is seen on the command line or by programmers only, and so in English only.
ENGLISH_ONLY: Final = (
    "cli/", "client/", "neural/", "ops/", "service/", "settings.py", "visemes/track.py", "speech/pronounce.py",
    "stage/framing.py", "stage/playback.py", "pipeline/", "face/alignment.py", "mouth/sadtalker.py",
    "live/requests.py", "web/server.py", "web/live_", "web/film_",
)  # fmt: skip
ERRORS: Final = frozenset(
    {"VisemaError", "InputError", "MediaError", "FaceError", "VoiceError", "AvatarError", "EngineError", "OutputError"}
    | {"Unreachable", "UnknownVoice", "Full", "Cancelled"}
)


_PLACES: Final = re.compile(r"\{\w+\}")


class Said(NamedTuple):
    """A sentence, and where it is."""

    template: str
    where: str


def sentences() -> Iterator[Said]:
    """Templates of all errors and notes; a ``template`` that is empty stands for one that nobody could translate."""
    for path in sorted((ROOT / "visema").rglob("*.py")):
        name = path.relative_to(ROOT / "visema").as_posix()
        if not name.startswith(ENGLISH_ONLY):
            yield from _in_file(path, name)


def _in_file(path: Path, name: str) -> Iterator[Said]:
    tree = ast.parse(path.read_text("utf-8"))
    known: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    known.setdefault(target.id, []).append(node.value)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ERRORS:
            given = node.args
        elif node.func.id == "Message" and node.args:
            given = node.args[:1]
        else:
            continue
        for argument in given:
            for template in _templates(argument, known):
                if not template or _PLACES.sub("", template).strip():
                    yield Said(template, f"{name}:{node.lineno}")


def _templates(node: ast.expr, known: dict[str, list[ast.expr]], deep: int = 3) -> Iterator[str]:
    """The sentences that an expression may be; those of messages made elsewhere are found there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if node.value:
            yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _templates(node.body, known, deep)
        yield from _templates(node.orelse, known, deep)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _templates(value, known, deep)
    elif isinstance(node, ast.Subscript):
        yield from _templates(node.value, known, deep)
    elif isinstance(node, ast.Name) and node.id in known and deep:
        for value in known[node.id]:
            yield from _templates(value, known, deep - 1)
    elif isinstance(node, (ast.JoinedStr, ast.BinOp)):
        yield ""
