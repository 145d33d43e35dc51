"""A real server that speaks S3 (moto), a process of its own on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import free_port, until
from visema.service.storage import S3Storage

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "not-a-real-secret"}


@dataclass
class Bucket:
    """A server with a bucket ``films``."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"s3://films/visema?endpoint=http://127.0.0.1:{self.port}&region=eu-central-1"

    def storage(self, bucket: str = "films", prefix: str = "visema") -> S3Storage:
        return S3Storage(bucket, prefix, f"http://127.0.0.1:{self.port}", "eu-central-1")


@contextmanager
def s3_server(folder: Path, port: int = 0, **env: str) -> Iterator[Bucket]:
    """Start one; it is ended with the block."""
    pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("boto3", reason="boto3 is not installed")
    port = port or free_port()
    with (folder / "s3.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, **KEYS, **env}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: _answers(port) or process.poll() is not None, "the S3 server")
        body = (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            "<LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>"
        )
        scope = "AKIDTEST/20260101/eu-central-1/s3/aws4_request"
        made = httpx.put(
            f"http://127.0.0.1:{port}/films", content=body,
            headers={"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"},
        )  # fmt: skip
        assert made.status_code == 200, made.text
        yield Bucket(port, process)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/moto-api/data.json", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
