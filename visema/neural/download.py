"""Fetching a release: from the hub, from its release page, or from a mirror of the user's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from visema.errors import EngineError, InputError
from visema.locking import file_lock
from visema.neural.fetch import FetchError, Told, fetch
from visema.neural.releases import Release, WeightFile
from visema.neural.store import RECORDS, Record, WeightsError, digest, record, recorded, weights_home
from visema.paths import explain_os_error

#: Makes the progress of one file: its title in, a context manager that gives a callback (or None) out.
Bar = Callable[[str], AbstractContextManager[Told | None]]
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Plan:
    """What a download will do, for the user to agree to.

    Attributes:
        release: What.
        folder: Where to.
        files: What is still missing there.
        mirror: Where from, where that is not the publisher: a folder, a file or an address.
    """

    release: Release
    folder: Path
    files: tuple[WeightFile, ...]
    mirror: str = ""

    def describe(self) -> str:
        """Files, sizes, source and licence, in lines."""
        release = self.release
        source = self.mirror or (f"huggingface.co/{release.repository}" if release.repository else "its release page")
        lines = [f"Weights of {release.name}, from {source}:"]
        lines += [f"  {file.path}  {file.size / 1e6:,.0f} MB" for file in self.files]
        lines.append(f"Together {sum(file.size for file in self.files) / 1e6:,.0f} MB, to {self.folder}.")
        lines.append(f"Licence: {release.licence} ({release.page}).")
        return "\n".join(lines)


def plan_download(
    release: Release, size: int = 256, mirror: str = "", *, force: bool = False, offline: bool = False
) -> Plan:
    """See what is missing; what is here is compared with its record.

    Raises:
        InputError: The mirror does not exist.
        EngineError: Something is missing and, being offline, may not be fetched; says which file to put where.
    """
    folder = weights_home() / release.name
    if mirror and not _is_url(mirror) and not Path(mirror).expanduser().exists():
        raise InputError(f"There is no file or folder {mirror}.", "--weights names a file, a folder or an address.")
    missing = []
    for file in release.needed(size):
        path = folder / file.path
        known = recorded(path)
        whole = path.is_file() and (known is None or known.sha256 == digest(path))
        if force or not whole:
            missing.append(file)
    plan = Plan(release, folder, tuple(missing), mirror)
    if missing and offline and (not mirror or _is_url(mirror)):
        raise EngineError("Weights cannot be fetched offline.", by_hand(plan))
    return plan


def run_download(plan: Plan, bar: Bar) -> None:
    """Fetch what is missing; each file appears under its name when it is whole and compared.

    Raises:
        EngineError: The hub's client is set to stay offline; says which file to put where.
        FetchError: A file is not there, or its connection cannot be kept.
        WeightsError: What came is not what was published, or not what was recorded.
        OutputError: The disk is full or cannot be written.
    """
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise explain_os_error(e, plan.folder) from e
    with file_lock(plan.folder / ".lock", f"fetching the weights of {plan.release.name}"):
        for file in plan.files:
            with bar(Path(file.path).name) as told:
                _bring(plan, file, told or (lambda done, total: None))


def by_hand(plan: Plan) -> str:
    """Which file to put where, a line for each."""
    revision = _commit(plan)
    puts = [f"{plan.release.address(file, revision)}\n  as {plan.folder / file.path}" for file in plan.files]
    return "\n".join(["Fetch by hand, on any machine, and put here:", *puts])


def _bring(plan: Plan, file: WeightFile, told: Told) -> None:
    target = plan.folder / file.path
    known = recorded(target)
    incoming = plan.folder / ".incoming" / Path(file.path).name
    commit = promised = ""
    if plan.mirror:
        source = _from_mirror(plan, file, incoming, told)
    elif plan.release.repository:
        source, commit, promised = _from_hub(plan, file, incoming, told)
    else:
        source = file.url
        _fetched(plan, source, incoming, told)
    found = digest(incoming)
    wanted, whose = (known.sha256, "recorded at its first use") if known else (promised, "published")
    if wanted and found != wanted:
        incoming.unlink(missing_ok=True)
        raise WeightsError(
            f"{file.path} from {source} has the checksum {found[:16]}…, not {wanted[:16]}… as {whose}.",
            f"It was removed; try again. If it was replaced on purpose, remove its entry from {RECORDS}.",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.replace(target)
        size = target.stat().st_size
    except OSError as e:
        raise explain_os_error(e, target) from e
    record(target, Record(found, size, source, commit))
    shutil.rmtree(plan.folder / ".incoming", ignore_errors=True)


def _is_url(place: str) -> bool:
    return bool(re.match(r"https?://", place))


def _fetched(plan: Plan, url: str, incoming: Path, told: Told) -> None:
    try:
        fetch(url, incoming, told)
    except FetchError as e:
        raise FetchError(e.what, f"{e.hint} {by_hand(plan)}") from e


def _from_mirror(plan: Plan, file: WeightFile, incoming: Path, told: Told) -> str:
    """Copy from a folder or file, or fetch from an address, that the user named; where it was."""
    name = Path(file.path).name
    if _is_url(plan.mirror):
        whole = plan.mirror.rstrip("/")
        source = whole if whole.rpartition("/")[2] == name else f"{whole}/{file.path}"
        fetch(source, incoming, told)
        return source
    place = Path(plan.mirror).expanduser()
    if place.is_file():
        candidates = [place] if place.name == name or len(plan.release.files) == 1 else []
    else:
        candidates = [place / plan.release.name / file.path, place / file.path, place / name]
    source_path = next((path for path in candidates if path.is_file()), None)
    if source_path is None:
        raise InputError(f"{plan.mirror} does not hold {name}.", "Name the folder or the file that does.")
    try:
        size = source_path.stat().st_size
        incoming.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source_path, incoming)
    except OSError as e:
        raise explain_os_error(e, incoming) from e
    told(size, size)
    return str(source_path)


def _commit(plan: Plan) -> str:
    """The commit that earlier files of the release came from, which later ones are asked for too."""
    for file in plan.release.files:
        known = recorded(plan.folder / file.path)
        if known and known.commit:
            return known.commit
    return plan.release.revision


def _from_hub(plan: Plan, file: WeightFile, incoming: Path, told: Told) -> tuple[str, str, str]:
    """Fetch what the hub's client finds; the address, the commit, and the checksum if the hub tells it.

    The client knows the hub's protocol, mirrors (``HF_ENDPOINT``) and answers; the bytes come by our own `fetch`,
    because the client has given up resuming a download that another process began.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled, RevisionNotFoundError

    remote, repository = file.remote or file.path, plan.release.repository
    revision = _commit(plan)
    try:
        about = get_hf_file_metadata(hf_hub_url(repository, remote, revision=revision), token=False)
    except (EntryNotFoundError, RevisionNotFoundError) as e:
        raise FetchError(f"{repository} has no {remote} at {revision}.", by_hand(plan)) from e
    except OfflineModeIsEnabled as e:
        raise EngineError("The hub's client is set to stay offline (HF_HUB_OFFLINE).", by_hand(plan)) from e
    except Exception as e:  # it passes on whatever its HTTP library raises, which has changed with its versions
        if not type(e).__module__.startswith(("httpx", "httpcore", "requests", "urllib3", "huggingface_hub")):
            raise
        raise FetchError(f"{repository} on the hub cannot be reached: {_line(e)}.", by_hand(plan)) from e
    commit = about.commit_hash or revision
    source = hf_hub_url(repository, remote, revision=commit)
    _fetched(plan, source, incoming, told)
    etag = (about.etag or "").strip('"')
    return source, commit, etag if _SHA256.fullmatch(etag) else ""


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:200]
