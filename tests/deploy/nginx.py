"""The real nginx with the configuration that is shipped, on loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.deploy.files import DOCKER

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


def certificate(folder: Path) -> None:
    """A self-made certificate for localhost in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["sh", str(DOCKER / "certificate.sh"), str(folder), "localhost"], check=True, capture_output=True)
    (folder / "privkey.pem").chmod(0o600)


def configuration(folder: Path, app: int, http: int, https: int) -> Path:
    """The shipped configuration in ``folder``, changed where it says that it is to be, and on free ports."""
    text = (DOCKER / "nginx.conf").read_text()
    changes = {
        r"/tmp/": f"{folder}/nginx/",
        r"/certificates/": f"{folder}/certificates/",
        r"http://app:8000;": f"http://127.0.0.1:{app};",
        r"listen 8080;": f"listen 127.0.0.1:{http};",
        r"listen 8443 ": f"listen 127.0.0.1:{https} ",
        r"access_log /dev/stdout": f"access_log {folder}/access.log",
        r"error_log /dev/stderr": f"error_log {folder}/error.log",
        r"worker_processes auto;": "worker_processes 1;\ndaemon off;",
    }
    for old, new in changes.items():
        text, count = re.subn(re.escape(old), new.replace("\\", r"\\"), text)
        assert count, old
    (folder / "nginx").mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path
