#!/bin/sh
# A certificate for the first try, where the folder holds none: certificate.sh FOLDER HOST
set -eu
folder=$1 host=$2
[ ! -s "$folder/fullchain.pem" ] || exit 0
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=$host" \
  -addext "subjectAltName=DNS:$host,DNS:localhost,IP:127.0.0.1" \
  -keyout "$folder/privkey.pem" -out "$folder/fullchain.pem" 2>/dev/null
# nginx in its container is user 101.
chmod 0644 "$folder/fullchain.pem"
chown 101:101 "$folder/privkey.pem" 2>/dev/null || chmod 0644 "$folder/privkey.pem"
echo "Made a certificate for $host, which browsers do not trust. Put your own into this folder for others to visit."
