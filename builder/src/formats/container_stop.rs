//! What ends the containers at power-off: a unit, and the script that it runs.
//!
//! k3s leaves its containers running when it stops, so that an update does not end them (`KillMode=process`). At power-off
//! nothing else stops them in time: systemd sends SIGTERM last of all, and waits 90 seconds for a container whose program
//! ignores it (k3s-io/k3s issue 2400). See the decision "containers get 20 seconds at power-off".

use crate::value::Role;

/// The unit's name.
pub const UNIT: &str = "hcimage-stop-containers.service";

/// The path of the script.
pub const SCRIPT_PATH: &str = "/usr/local/lib/hcimage/stop-containers";

/// The unit. Stopping is its only work: systemd does that in the reverse order of starting, after k3s, which would start
/// containers again.
pub fn render(role: Role) -> String {
    format!(
        "# Written by hcimage.\n\
         [Unit]\n\
         Description=End the containers of k3s at power-off\n\
         Before={k3s}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=/bin/true\n\
         ExecStop={SCRIPT_PATH}\n\
         # The script ends by itself after 20 seconds.\n\
         TimeoutStopSec=40\n\
         # It reads control groups, sends signals and asks systemd, and nothing else.\n\
         CapabilityBoundingSet=CAP_KILL\n\
         NoNewPrivileges=yes\n\
         LockPersonality=yes\n\
         MemoryDenyWriteExecute=yes\n\
         ProtectHome=yes\n\
         ProtectKernelLogs=yes\n\
         ProtectKernelModules=yes\n\
         ProtectSystem=strict\n\
         RestrictAddressFamilies=AF_UNIX\n\
         RestrictNamespaces=yes\n\
         RestrictRealtime=yes\n\
         SystemCallArchitectures=native\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        k3s = role.unit()
    )
}

/// The script. Its arguments, the root of the control groups and the seconds, are for its test.
pub fn script() -> String {
    "#!/bin/sh\n\
     # Written by hcimage: ends what k3s leaves running at power-off. Containers get SIGTERM, and SIGKILL after 20 seconds.\n\
     root=${1:-/sys/fs/cgroup}\n\
     seconds=${2:-20}\n\
     # The control groups of pods: with systemd's driver, and with the kubelet's own.\n\
     pods='kubepods.slice kubepods'\n\
     # Here containerd's shims are left, one for each pod.\n\
     k3s='system.slice/k3s.service system.slice/k3s-agent.service'\n\
     \n\
     # The processes in these groups that still run. cgroup v1 has a tree for each controller.\n\
     processes() {\n\
     \tfor group in \"$@\"; do\n\
     \t\tfor tree in \"$root\" \"$root/pids\" \"$root/systemd\"; do\n\
     \t\t\t[ ! -d \"$tree/$group\" ] || find \"$tree/$group\" -name cgroup.procs -exec cat {} +\n\
     \t\tdone\n\
     \tdone 2>/dev/null | while read -r process; do\n\
     \t\tkill -0 \"$process\" 2>/dev/null && echo \"$process\"\n\
     \tdone\n\
     }\n\
     \n\
     end() {\n\
     \tsignal=$1\n\
     \tshift\n\
     \tfor process in $(processes \"$@\"); do\n\
     \t\tkill -s \"$signal\" \"$process\" 2>/dev/null\n\
     \tdone\n\
     }\n\
     \n\
     end TERM $pods\n\
     while [ \"$seconds\" -gt 0 ] && [ -n \"$(processes $pods)\" ]; do\n\
     \tsleep 1\n\
     \tseconds=$((seconds - 1))\n\
     done\n\
     end KILL $pods\n\
     # Not where somebody stops this unit by hand while k3s runs.\n\
     systemctl is-active --quiet k3s.service k3s-agent.service || end KILL $k3s\n\
     exit 0\n"
        .into()
}
