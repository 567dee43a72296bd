#!/bin/sh
# Runs a command as a user who may not open disks, beside Debian's own D-Bus, polkit and UDisks2: in a mount namespace, so that nothing
# of them is on this machine.
#
#   udisks.sh FILES DISK ANSWER WORK COMMAND...   FILES: the packages' files; ANSWER: what polkit says to the user, YES or NO
#
# A stand-in for udev is a file that says that it has seen the disk.
set -eu
files=$1 disk=$2 answer=$3 work=$4
shift 4

if [ -z "${UDISKS_INSIDE-}" ]; then
    exec env UDISKS_INSIDE=1 unshare --mount --propagation private sh "$0" "$files" "$disk" "$answer" "$work" "$@"
fi

run=$work/udisks
mkdir -p "$run/etc" "$run/rules" "$run/udev/data"
cp -a /etc/passwd /etc/group /etc/nsswitch.conf "$run/etc/"
grep -q '^polkitd:' "$run/etc/passwd" || echo 'polkitd:x:988:988::/nonexistent:/usr/sbin/nologin' >>"$run/etc/passwd"
grep -q '^polkitd:' "$run/etc/group" || echo 'polkitd:x:988:' >>"$run/etc/group"
mkdir -p "$run/etc/polkit-1/rules.d"
cat >"$run/etc/polkit-1/rules.d/00-test.rules" <<EOF
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.freedesktop.udisks2.open-device") == 0) return polkit.Result.$answer;
});
EOF
echo 'I:1' >"$run/udev/data/b$(cat "/sys/class/block/${disk##*/}/dev")"
touch "$run/udev/control"
cat >"$run/bus.conf" <<EOF
<busconfig>
  <type>system</type>
  <listen>unix:path=$run/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
EOF
chmod -R a+rX "$work"
mount --rbind "$run/etc" /etc
mount --rbind "$files/usr/share" /usr/share
mount -t tmpfs run /run
cp -a "$run/udev" /run/udev
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$run/bus"
"$files/usr/bin/dbus-daemon" --config-file="$run/bus.conf" --nofork --nopidfile 2>"$run/bus.log" &
bus=$!
"$files/usr/lib/polkit-1/polkitd" --no-debug >"$run/polkit.log" 2>&1 &
polkit=$!
"$files/usr/libexec/udisks2/udisksd" >"$run/udisks.log" 2>&1 &
udisks=$!
trap 'kill $udisks $polkit $bus 2>/dev/null' EXIT
for _ in $(seq 100); do
    grep -q 'Acquired the name' "$run/udisks.log" && break
    sleep 0.1
done
# Bound by its owner's id: nobody of the tests' machine.
status=0
env LD_LIBRARY_PATH= setpriv --reuid=65534 --regid=65534 --clear-groups "$@" || status=$?
if [ "$status" -ne 0 ]; then cat "$run"/*.log >&2; fi
exit "$status"
