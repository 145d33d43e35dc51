#!/bin/sh
# Starts a container: folders on the volume, the avatar that came with the image where it is not there yet, the command.
set -eu
: "${VISEMA_CACHE:=/data/cache}" "${VISEMA_OUTPUTS:=/data/outputs}"
for folder in "$VISEMA_CACHE" "$VISEMA_OUTPUTS"; do
  mkdir -p "$folder" 2>/dev/null || true
  if [ ! -w "$folder" ]; then
    echo "error: $folder cannot be written by user $(id -u)." >&2
    echo "Give it to this user: docker run --rm -u 0 -v <volume>:/data <image> chown -R 10001:10001 /data" >&2
    exit 2
  fi
done
for avatar in "${VISEMA_SEED:-/seed}"/*/; do
  name=$(basename "$avatar")
  [ -d "$avatar" ] && [ ! -e "$VISEMA_CACHE/$name" ] || continue
  # Several containers may start at once on one volume: each copies to a name of its own, one rename wins.
  copy="$VISEMA_CACHE/.$name-$(hostname)-$$.partial"
  cp -R "$avatar" "$copy"
  mv -T "$copy" "$VISEMA_CACHE/$name" 2>/dev/null || rm -rf "$copy"
done
exec "$@"
