"""A real server that speaks S3 (moto), a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
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


class Wire:
    """A port that leads to another one, until it is cut."""

    def __init__(self, port: int, to: int) -> None:
        self.port, self._to = port, to
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        assert self._listener
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
                self._open += [here, there]
                for source, target in ((here, there), (there, here)):
                    threading.Thread(target=_forward, args=(source, target), daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
