# What backup and restore begin with. NODE is the node, REPOSITORY where its backups are, DATA its data disk, STATE a folder of that
# disk for borg itself, SECRETS and CONFIG the folders with secrets and settings.

say() {
    echo "$(date '+%H:%M:%S') $*"
}

fail() {
    say "$*" >&2
    exit 1
}

export BORG_REPO="$REPOSITORY"
export BORG_BASE_DIR="$STATE"
export BORG_PASSCOMMAND="cat $SECRETS/passphrase"
# The host must have one of the keys in the cluster file, and nothing is asked.
export BORG_RSH="ssh -i $SECRETS/ssh-key -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
-o UserKnownHostsFile=$CONFIG/known_hosts -o GlobalKnownHostsFile=/dev/null -o CheckHostIP=no \
-o ConnectTimeout=30 -o ServerAliveInterval=30 -o ServerAliveCountMax=10"
# Each pod has a name and an address of its own; this node is one client of the repository, whatever its pods are called.
export BORG_HOST_ID="$NODE@hcimage"
export TMPDIR="${TMPDIR:-/tmp}"

# What ssh itself says: borg does not always pass it on.
ask_host() {
    case $REPOSITORY in ssh://*) ;; *) return 0 ;; esac
    host=${REPOSITORY#ssh://}
    host=${host%%/*}
    port=22
    # An IPv6 address has brackets, and colons of its own.
    case $host in *\]) ;; *:*) port=${host##*:} host=${host%:*} ;; esac
    $BORG_RSH -p "$port" "$(printf '%s' "$host" | tr -d '[]')" true </dev/null >/dev/null || true
}

# One at a time on this node. The lock ends with the process, also where that is killed.
mkdir -p "$STATE"
exec 9>"$STATE/lock"
flock -n 9 || fail "another backup or restore of this node is running"

# borg's own lock in the repository outlives a process that was killed. The repository belongs to this node alone, and no other
# process of it runs now: what is locked there, is left over.
unlock() {
    # A server that has just learned of the end takes its lock away by itself, and borg stumbles over what is gone.
    for pause in 2 5 0; do
        borg break-lock && return 0
        sleep "$pause"
    done
    ask_host
    fail "the repository $REPOSITORY cannot be used"
}
