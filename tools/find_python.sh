#!/bin/sh
# Print the path of a Python that can run Visema, or say what to do and fail.
# 3.10-3.12, because mediapipe 0.10.21, the last release that carries its face models, has wheels for no newer one.
suits='import sys; sys.exit(not (sys.version_info[:2] in ((3, 10), (3, 11), (3, 12)) and sys.maxsize > 2**32))'
for name in "${VISEMA_PYTHON:-}" python3.12 python3.11 python3.10 python3 python; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    if "$name" -c "$suits" >/dev/null 2>&1; then
        found=$(command -v "$name")
        break
    fi
done
case "$(uname -s)-$(uname -m)" in
Linux-aarch64 | Linux-arm64 | Linux-armv*)
    echo "Visema's face detector (mediapipe 0.10.21) is not available for Linux on ARM." >&2
    echo "Use a 64-bit Intel or AMD machine, macOS or Windows." >&2
    exit 2
    ;;
esac
if [ -z "${found:-}" ]; then
    echo "Visema needs Python 3.10, 3.11 or 3.12 (64 bit), and none was found." >&2
    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12;" >&2
    echo "anywhere: https://www.python.org/downloads/), or name it: VISEMA_PYTHON=/path/to/python3.12 ./run.sh" >&2
    exit 2
fi
echo "$found"
