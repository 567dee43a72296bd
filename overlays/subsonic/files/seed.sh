#!/bin/sh
# Makes the user `admin` before anybody reaches Navidrome: otherwise the first visitor would become its administrator. Navidrome does
# that at its very first start, and writes the password into its log when it warns of it: so this start says errors alone, and the
# container that stays has no password at all.
set -eu

seeded=$ND_DATAFOLDER/.hcimage-seeded
if [ -e "$seeded" ]; then
    exit 0
fi
"$NAVIDROME" &
navidrome=$!
trap 'kill $navidrome 2>/dev/null' EXIT
until wget -q -O /dev/null "http://127.0.0.1:$ND_PORT/ping" 2>/dev/null; do
    if ! kill -0 $navidrome 2>/dev/null; then
        echo "Navidrome has ended before it answered" >&2
        exit 1
    fi
    sleep 1
done
kill $navidrome
# Its status is that of the signal.
wait $navidrome || true
trap - EXIT
sync
: >"$seeded"
echo "the user admin is there"
