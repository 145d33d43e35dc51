"""Where films, inputs and avatars are kept: in the service's folder, or in a bucket that several machines share."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from visema.errors import InputError, VisemaError
from visema.paths import atomic_file

log = logging.getLogger(__name__)

#: Names of what is kept: letters, digits, dots, hyphens and underscores, in folders.
NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
#: What is larger is sent in parts of this size, several at a time; a part that fails is sent again.
PART: Final = 8 << 20
#: Bytes that are read at once while something is given out.
BLOCK: Final = 256 << 10
#: Seconds: a storage that does not answer for so long is away.
CONNECT_S, READ_S, TRIES = 3, 30, 3
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{2,40}")
_CONTENT: Final = {".mp4": "video/mp4", ".srt": "text/plain", ".vtt": "text/vtt", ".zip": "application/zip"}
#: What S3 says of keys that are wrong, or may not do what is asked.
_REFUSED: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}
)
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})


class StorageError(VisemaError):
    """The storage cannot be used as it is set up; trying again does not help."""


class StorageAway(StorageError):
    """The storage does not answer, or asks to wait; trying again later helps."""


class NotStored(StorageError):
    """There is nothing of that name."""


@dataclass(frozen=True)
class Stat:
    """What is known of something stored.

    Attributes:
        size: Bytes.
        modified: Seconds since 1970.
        etag: Another one where the content is another.
    """

    size: int
    modified: float
    etag: str


class Storage(Protocol):
    """Keeps files by name. Everything raises `StorageError`; `StorageAway` where trying again helps."""

    def put(self, name: str, path: Path) -> None:
        """Keep a copy of ``path``; what had the name is replaced, and readers see the one or the other whole."""

    def get(self, name: str, path: Path) -> None:
        """Write what has the name to ``path``, whole or not at all; `NotStored` where there is none."""

    def stat(self, name: str) -> Stat | None:
        """What is known of it; None where there is none."""

    def read(self, name: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``begin`` to before ``end``, in blocks; `NotStored` where there is none."""

    def names(self, prefix: str) -> list[str]:
        """All names that begin so."""

    def delete(self, names: Sequence[str]) -> None:
        """Remove what is there of these."""

    def link(self, name: str, seconds: float, filename: str) -> str:
        """An address at which anybody can load it for so long; a browser saves it as ``filename``."""

    def check(self) -> str:
        """Try it; what was found, in words."""


def storage_of(address: str) -> Storage | None:
    """The storage at an address; None for an empty one, which means the service's own folder.

    Args:
        address: ``s3://bucket/prefix?endpoint=https://…&region=…``; all but the bucket may be left out.

    Raises:
        InputError: The address cannot be understood.
    """
    if not address:
        return None
    parts = urlsplit(address)
    asked = parse_qs(parts.query, keep_blank_values=True)
    hint = "Write s3://bucket/prefix?endpoint=https://host&region=name; keys go into AWS_ACCESS_KEY_ID and its like."
    if parts.scheme != "s3":
        raise InputError(f"VISEMA_STORAGE begins with '{parts.scheme}:', not with s3:.", hint)
    if "@" in parts.netloc or ":" in parts.netloc:
        raise InputError("VISEMA_STORAGE holds a key or a port where the bucket's name belongs.", hint)
    if not _BUCKET.fullmatch(parts.netloc):
        raise InputError(f"VISEMA_STORAGE names no bucket: '{parts.netloc}'.", hint)
    if unknown := set(asked) - {"endpoint", "region"}:
        raise InputError(f"VISEMA_STORAGE has an option '{min(unknown)}'.", hint)
    endpoint, region = (asked.get(name, [""])[-1] for name in ("endpoint", "region"))
    if endpoint and not re.fullmatch(r"https?://[^/@\s]+/?", endpoint):
        raise InputError(f"VISEMA_STORAGE has the endpoint '{endpoint}'.", hint)
    if region and not _REGION.fullmatch(region):
        raise InputError(f"VISEMA_STORAGE has the region '{region}'.", hint)
    prefix = unquote(parts.path).strip("/")
    if prefix and not NAME.fullmatch(prefix):
        raise InputError(f"VISEMA_STORAGE has the prefix '{prefix}'.", hint)
    return S3Storage(parts.netloc, prefix, endpoint.rstrip("/"), region)


class S3Storage:
    """A bucket that speaks S3, by boto3; its keys come from the usual variables and files of AWS.

    Args:
        bucket: Its name.
        prefix: What all names begin with, without slashes at its ends.
        endpoint: Address of a server other than Amazon's.
        region: Where the bucket is.
    """

    def __init__(self, bucket: str, prefix: str = "", endpoint: str = "", region: str = "") -> None:
        self._bucket, self._prefix, self._endpoint, self._region = bucket, prefix, endpoint, region
        self._lock = threading.Lock()
        self._made: Any = None

    def put(self, name: str, path: Path) -> None:
        """See `Storage`: in parts where it is large, each sent again should it fail."""
        from boto3.s3.transfer import TransferConfig

        kind = _CONTENT.get(path.suffix, "application/octet-stream")
        with self._explained(name):
            self._client().upload_file(
                str(path),
                self._bucket,
                self._key(name),
                ExtraArgs={"ContentType": kind},
                Config=TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4),
            )

    def get(self, name: str, path: Path) -> None:
        """See `Storage`."""
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
        with atomic_file(path) as temporary, self._explained(name):
            self._client().download_file(self._bucket, self._key(name), str(temporary), Config=config)

    def stat(self, name: str) -> Stat | None:
        """See `Storage`."""
        try:
            with self._explained(name):
                told = self._client().head_object(Bucket=self._bucket, Key=self._key(name))
        except NotStored:
            return None
        return Stat(int(told["ContentLength"]), told["LastModified"].timestamp(), str(told["ETag"]).strip('"'))

    def read(self, name: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Storage`."""
        wanted = f"bytes={begin}-{'' if end is None else end - 1}"
        with self._explained(name):
            body = self._client().get_object(Bucket=self._bucket, Key=self._key(name), Range=wanted)["Body"]
            try:
                yield from body.iter_chunks(BLOCK)
            finally:
                body.close()

    def names(self, prefix: str) -> list[str]:
        """See `Storage`."""
        start = len(self._prefix) + 1 if self._prefix else 0
        with self._explained(prefix):
            pages = self._client().get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._key(prefix)
            )  # fmt: skip
            return [str(found["Key"])[start:] for page in pages for found in page.get("Contents", [])]

    def delete(self, names: Sequence[str]) -> None:
        """See `Storage`."""
        for start in range(0, len(names), 1000):  # S3 takes no more at a time
            objects = [{"Key": self._key(name)} for name in names[start : start + 1000]]
            with self._explained(names[0]):
                self._client().delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})

    def link(self, name: str, seconds: float, filename: str) -> str:
        """See `Storage`: a presigned address of S3 itself."""
        asked = {
            "Bucket": self._bucket,
            "Key": self._key(name),
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        }
        with self._explained(name):
            return str(self._client().generate_presigned_url("get_object", Params=asked, ExpiresIn=round(seconds)))

    def check(self) -> str:
        """See `Storage`: the bucket is listed; nothing is written."""
        with self._explained(""):
            self._client().list_objects_v2(Bucket=self._bucket, Prefix=self._key(""), MaxKeys=1)
        where = f" at {urlsplit(self._endpoint).netloc}" if self._endpoint else ""
        return f"bucket {self._bucket}{where}, reachable"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as e:
            raise StorageError(
                "Storing in a bucket needs the package boto3.", "Install the extra: pip install 'visema[service]'."
            ) from e
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"max_attempts": TRIES, "mode": "standard"},
            # Other servers than Amazon's know buckets by path, and not yet the checksums that are new in boto3.
            s3={"addressing_style": "path"} if self._endpoint else {},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # A session of its own: the shared one may not be used by several threads at a time.
        return boto3.session.Session().client(
            "s3", endpoint_url=self._endpoint or None, region_name=self._region or None, config=config
        )

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Turn what boto3 raises into our errors; what it was asked with, keys among it, is in none of them."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (ClientError, BotoCoreError, Boto3Error) as e:
            cause = e.__cause__ or e.__context__
            found = e if isinstance(e, ClientError) else cause if isinstance(cause, ClientError) else None
            raise self._error(found, e, name) from e

    def _error(self, found: Any, error: Exception, name: str) -> StorageError:
        from botocore.exceptions import ConnectionError as NoConnection
        from botocore.exceptions import HTTPClientError, NoCredentialsError, NoRegionError, PartialCredentialsError

        if found is None and isinstance(error, (NoCredentialsError, PartialCredentialsError)):
            return StorageError(
                "There are no keys for the storage.", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        if found is None and isinstance(error, NoRegionError):
            return StorageError("The storage's region is not known.", "Add &region=… to VISEMA_STORAGE.")
        told: dict[str, Any] = getattr(found, "response", {})
        code = str(told.get("Error", {}).get("Code", ""))
        status = int(told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "NoSuchBucket":
            return StorageError(f"The storage has no bucket '{self._bucket}'.", "Make it, or mend VISEMA_STORAGE.")
        if code in _MISSING:
            return NotStored(f"The storage has no {name}.", "It was removed, or was never there.")
        if code in _REFUSED:
            return StorageError(
                f"The storage refuses the keys for the bucket '{self._bucket}' ({code}).",
                "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do.",
            )
        if found is None or status >= 500 or status == 429 or isinstance(error, (NoConnection, HTTPClientError)):
            log.warning("The storage: %s", code or type(error).__name__)
            return StorageAway("The storage does not answer.", "Try again in a minute.")
        return StorageError(f"The storage refuses ({code or status}).", "The server's log has the details.")


def forget(storage: Storage, prefix: str) -> None:
    """Remove everything that begins so.

    Raises:
        StorageError: It cannot be used.
    """
    if names := storage.names(prefix):
        storage.delete(names)
