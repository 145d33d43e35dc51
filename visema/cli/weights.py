"""`--download` and `--weights`: the networks' weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from visema.cli.asking import agreed
from visema.cli.progress import progress_bar
from visema.errors import InputError

if TYPE_CHECKING:
    from visema.cli.arguments import Options


def download(options: Options) -> int:
    """Say what will be fetched on what terms, ask, and fetch it.

    Raises:
        InputError: There is no such release or mirror, or nobody agreed.
        EngineError: It would have to be fetched, and we are offline.
        VisemaError: It could not be fetched.
    """
    from visema.neural.download import plan_download, run_download
    from visema.neural.releases import release_of

    release = release_of(options.download or "")
    plan = plan_download(release, options.size, options.weights, force=options.force, offline=options.offline)
    if not plan.files:
        print(f"The weights of {release.name} are here and unchanged: {plan.folder}")
        return 0
    print(plan.describe(), flush=True)
    if not options.yes and not agreed("Fetch them on these terms? [y/N] "):
        raise InputError("Nothing was fetched.", "Add --yes to agree without being asked.")
    run_download(plan, _bar)
    print(f"The weights of {release.name} are ready: {plan.folder}")
    return 0


def use_weights(place: str) -> None:
    """Look for weights in a file or folder of the user's own.

    Raises:
        InputError: It does not exist, or is an address.
    """
    from visema.neural.store import VARIABLE

    if place.startswith(("http://", "https://")):
        raise InputError(f"{place} is an address.", f"Fetch from it first: --download NAME --weights {place}")
    if not Path(place).expanduser().exists():
        raise InputError(f"There is no file or folder {place}.", "--weights names a file or folder of weights.")
    # Avatars open their engines wherever they are used, in processes of their own too.
    os.environ[VARIABLE] = str(Path(place).expanduser().resolve())


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    with progress_bar(title, "B") as show:
        yield show
