"""Whether this container is well, for its health check: 0 or 1.

``health.py`` asks the server at `PORT`; ``health.py worker`` looks at the file that a worker touches as long as it
listens to its queue.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from pathlib import Path

PORT = os.environ.get("VISEMA_PORT", "8000")
ALIVE = Path(os.environ.get("VISEMA_ALIVE", "/tmp/visema-worker.alive"))
#: A worker touches its file every few seconds.
SILENT_S = 60.0


def main(what: str) -> int:
    """Look; the exit code."""
    try:
        if what == "worker":
            return int(time.time() - ALIVE.stat().st_mtime > SILENT_S)
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=4) as answer:
            return int(answer.status != 200)
    except OSError as e:
        sys.stderr.write(f"{e}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "server"))
