"""Make the virtual environment, install what is missing, and start Visema or its tests inside.

Runs on a bare Python with nothing installed. A stamp in the environment holds the fingerprint of `pyproject.toml`
and of the extras that were installed, so that a second start goes straight on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VISEMA_VENV") or ROOT / ".venv")
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
#: Debian's names of what OpenCV's wheel expects from the system.
SYSTEM_LIBRARIES = ("libgl1", "libglib2.0-0")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def fail(what: str, hint: str) -> None:
    """Say what went wrong and what to do, and stop."""
    sys.exit(f"error: {what}\n{hint}")


def run(*command: str | Path) -> int:
    """Run a program and give its exit code."""
    return subprocess.call([str(c) for c in command])


def apt_install(*packages: str) -> bool:
    """Install Debian packages where this may be done; False where it may not or did not work."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    print(f"Installing {' '.join(packages)} ...", file=sys.stderr)
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.call(["apt-get", "update", "-qq"], stdout=quiet, stderr=quiet, env=environment)
    return subprocess.call(["apt-get", "install", "-y", "-qq", *packages], stdout=quiet, env=environment) == 0


def make_environment() -> None:
    """Create the virtual environment if it is not there or does not start."""
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-c", ""], stderr=subprocess.DEVNULL) == 0:
        return
    print(f"Making {VENV} ...", file=sys.stderr)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    for _ in range(2):
        if run(sys.executable, "-m", "venv", "--clear", VENV) == 0:
            return
        # Debian splits this module off; without it venv leaves a half-made folder.
        if not apt_install(version):
            break
    shutil.rmtree(VENV, ignore_errors=True)
    fail(
        f"The virtual environment {VENV} could not be made.",
        f"On Debian or Ubuntu install its module first: sudo apt install {version}. Elsewhere check the disk space.",
    )


def install(extras: str) -> None:
    """Install this checkout with ``extras`` ("" or "[dev]") unless the stamp says that it is there."""
    stamp = VENV / f"installed{extras}.stamp"
    fingerprint = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print("Installing packages, once; about a minute ...", file=sys.stderr)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if run(*pip, "--editable", f"{ROOT}{extras}") != 0:
        fail("Packages could not be installed.", "See the lines above; check the network connection or the proxy.")
    check_system_libraries()
    for done in {stamp, VENV / "installed.stamp"}:
        done.write_text(fingerprint)


def check_system_libraries() -> None:
    """Make sure that OpenCV finds the system libraries its wheel leaves out."""
    probe = [str(PYTHON), "-c", "import cv2"]
    if subprocess.call(probe, stderr=subprocess.DEVNULL) == 0:
        return
    if apt_install(*SYSTEM_LIBRARIES) and subprocess.call(probe) == 0:
        return
    fail(
        "OpenCV cannot be loaded: a system library is missing.",
        f"On Debian or Ubuntu: sudo apt install {' '.join(SYSTEM_LIBRARIES)}",
    )


def find_browser() -> None:
    """The browser tests need a Chromium; install Debian's where this may be done, else say what to do."""
    if any(shutil.which(name) for name in BROWSERS) or os.environ.get("VISEMA_BROWSER"):
        return
    if not apt_install("chromium"):
        print(
            "No Chromium was found: the browser tests will be skipped. Install it (Debian: sudo apt install chromium) "
            "or set VISEMA_BROWSER to its path.",
            file=sys.stderr,
        )


def find_servers() -> None:
    """The platform's tests need real servers, which they start themselves; install Debian's where this may be done."""
    if shutil.which("redis-server") and shutil.which("nginx") and Path("/usr/lib/postgresql").exists():
        return
    policy = Path("/usr/sbin/policy-rc.d")  # what keeps Debian from starting services that it installs
    forbidden = policy.exists()
    try:
        if not forbidden and hasattr(os, "geteuid") and os.geteuid() == 0:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        found = apt_install("redis-server", "postgresql", "nginx-light")
    finally:
        if not forbidden and policy.exists():
            policy.unlink()
    if not found:
        print(
            "No Redis, PostgreSQL or nginx was found: the tests that need them will be skipped. Install them "
            "(Debian: sudo apt install redis-server postgresql nginx-light).",
            file=sys.stderr,
        )


def start(*command: str | Path) -> None:
    """Become ``command``, or on Windows, which cannot, run it and leave with its exit code."""
    words = [str(c) for c in command]
    if os.name == "nt":
        sys.exit(subprocess.call(words))
    os.execv(words[0], words)


def main() -> None:
    """``launch.py run|test [arguments]``."""
    what, *arguments = sys.argv[1:]
    make_environment()
    if what == "test":
        install("[dev]")
        find_browser()
        find_servers()
        os.chdir(ROOT)
        chosen = [a for a in arguments if a != "--all"]
        marks = [] if "--all" in arguments else ["-m", "not slow"]
        start(PYTHON, "-m", "pytest", *marks, *chosen)
    install("")
    start(PYTHON, ROOT / "video.py", *(arguments or ["--ui"]))


if __name__ == "__main__":
    main()
