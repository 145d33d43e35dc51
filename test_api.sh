#!/bin/sh
# Walks the film API of a running server with curl, and says what it finds.
#
#   ./test_api.sh [ADDRESS [PICTURE [RECORDING]]]
#
# Without a recording a text is spoken. Ends with code 1 at the first answer that is not as it should be.
set -u
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
address=${1:-http://127.0.0.1:5000}
picture=${2:-$here/assets/presenter.png}
recording=${3:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() { echo "✗ $*" >&2; [ -s "$folder/answer" ] && cat "$folder/answer" >&2; exit 1; }

# ask CODE curl-arguments: the answer goes to $folder/answer; fails unless HTTP's number is CODE.
ask() {
    wanted=$1; shift
    code=$(curl --silent --show-error --output "$folder/answer" --write-out '%{http_code}' "$@") || fail "no answer: $*"
    [ "$code" = "$wanted" ] || fail "$code instead of $wanted: $*"
}

# value NAME: a text or number of the last answer.
value() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$folder/answer" | head -n 1; }

ask 200 "$address/health";  echo "✓ health: $(value status), $(value workers) workers"
ask 200 "$address/config";  echo "✓ config: H.264 $(value profile), CRF $(value crf)"
ask 200 "$address/";        echo "✓ root: JSON for programs"

ask 422 -F "image=@$picture" "$address/generate";                        echo "✓ nothing to say: $(value error)"
ask 422 -F "text=Hello." -F "image=@$0" "$address/generate";             echo "✓ no picture: $(value error)"
ask 415 -H 'Content-Type: application/json' -d '{}' "$address/generate"; echo "✓ no form: $(value error)"
ask 404 "$address/status/0123456789abcdef01234567";                      echo "✓ unknown film: $(value error)"

if [ -n "$recording" ]; then
    ask 202 -F "image=@$picture" -F "audio=@$recording" "$address/generate"
else
    ask 202 -F "image=@$picture" -F "text=Hello, this is a test." -F "voice=espeak:en-us" "$address/generate"
fi
session=$(value session_id)
echo "✓ generate: $session, $(value status)"

waited=0
while ask 200 "$address/status/$session" && [ "$(value status)" = processing ]; do
    echo "  $(value percent) %, $(value stage)"
    waited=$((waited + 1))
    [ "$waited" -lt 600 ] || fail "it takes too long"
    sleep 1
done
[ "$(value status)" = completed ] || fail "it did not become a film"
echo "✓ status: $(value status), $(value duration) s of film"

ask 200 "$address/download/$session"
dd if="$folder/answer" bs=1 skip=4 count=4 2>/dev/null | grep -q ftyp || fail "that is no mp4"
echo "✓ download: $(wc -c < "$folder/answer" | tr -d ' ') bytes of mp4"
ask 206 -r 0-99 "$address/download/$session"
[ "$(wc -c < "$folder/answer" | tr -d ' ')" = 100 ] || fail "the range is not as long as it should be"
echo "✓ download: the first 100 bytes alone"
ask 409 -X DELETE "$address/status/$session";   echo "✓ a finished film is not cancelled: $(value error)"
ask 204 -X DELETE "$address/download/$session"; echo "✓ it is removed"
ask 410 "$address/download/$session";           echo "✓ and gone: $(value error)"
