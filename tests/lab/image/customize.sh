#!/bin/sh
# Turns a fresh minimal Debian tree into a lab host image. Run by mmdebstrap as its customise hook:
# $1 is the root of the tree; VIGIE_LAB_SUITE, _MIRROR and _SECURITY_MIRROR come from tests/lab/images.py.
set -eu
root=$1

# The packages were installed from SUITE main alone. Only now does the host learn of the security suite, so
# that it has real pending security updates. One source file, as an installed Debian of that age has it.
rm -rf "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
case "$VIGIE_LAB_SUITE" in
bullseye | bookworm)
    cat >"$root/etc/apt/sources.list" <<SOURCES
deb $VIGIE_LAB_MIRROR $VIGIE_LAB_SUITE main
deb $VIGIE_LAB_SECURITY_MIRROR $VIGIE_LAB_SUITE-security main
SOURCES
    ;;
*)
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $VIGIE_LAB_MIRROR
Suites: $VIGIE_LAB_SUITE
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $VIGIE_LAB_SECURITY_MIRROR
Suites: $VIGIE_LAB_SUITE-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    ;;
esac

# Mirrors that lag, and suites past their end of life, have expired release files.
cat >"$root/etc/apt/apt.conf.d/90vigie-lab" <<'APT'
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
APT
# A throw-away host need not survive a power cut.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/90vigie-lab"
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
chroot "$root" apt-get -q update
chroot "$root" apt-get -q clean

# Every host makes its own SSH host keys and machine id at its first start.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"
cat >"$root/etc/systemd/system/vigie-lab-hostkeys.service" <<'UNIT'
[Unit]
Description=Generate the SSH host keys of this lab host
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl -q enable vigie-lab-hostkeys.service ssh.service

# Services must start as on any host when a package is installed.
rm -f "$root/usr/sbin/policy-rc.d"
