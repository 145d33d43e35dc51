#!/bin/sh
# Start Visema: installs what is missing into .venv, then opens the page; with arguments, runs `video.py` with them.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
python=$(sh "$here/tools/find_python.sh") || exit 2
exec "$python" "$here/tools/launch.py" run "$@"
