#!/bin/sh
# Run the tests: installs what they need into .venv; arguments go to pytest. `--all` adds the long ones.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
python=$(sh "$here/tools/find_python.sh") || exit 2
exec "$python" "$here/tools/launch.py" test "$@"
