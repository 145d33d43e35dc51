#!/bin/sh
# Writes .env with secrets of its own for docker-compose.yml, where there is none yet: sh docker/init.sh
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ] && grep -q "^POSTGRES_PASSWORD=..*" .env; then
  echo ".env is there already; nothing was changed."
  exit 0
fi
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
{
  [ ! -e .env ] || cat .env
  echo "# Secrets of docker-compose.yml, made by docker/init.sh. Keep this file to yourself."
  echo "POSTGRES_PASSWORD=$(secret)"
  echo "REDIS_PASSWORD=$(secret)"
  grep -qs '^VISEMA_SECRET=' .env || echo "VISEMA_SECRET=$(secret)"
  grep -qs '^VISEMA_API_KEY=' .env || echo "VISEMA_API_KEY=$(secret)"
} > .env.new
mv .env.new .env
echo "Wrote .env. The key for the page and the API is VISEMA_API_KEY in it."
