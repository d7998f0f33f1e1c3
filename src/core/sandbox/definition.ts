import { createHash } from 'node:crypto';

/** The guest's login: an ordinary user with sudo, as on a user's own host. It joins group `tracing` only when prepared. */
export const GUEST_USER = 'skua';
export const GUEST_SUITE = 'bookworm';

/** What the guest needs to boot, be traced and build programs in. Not lttng-modules: Skua brings its own. */
export const GUEST_PACKAGES: readonly string[] = [
  // the machine
  'systemd-sysv',
  'udev',
  'dbus',
  'openssh-server',
  'linux-image-cloud-amd64',
  'linux-headers-cloud-amd64',
  'busybox-static',
  'cpio',
  'kmod',
  'iproute2',
  'procps',
  'sudo',
  'ca-certificates',
  'xz-utils',
  'zstd',
  // tracing
  'lttng-tools',
  'babeltrace2',
  'strace',
  'gdb',
  'libdw-dev',
  'elfutils',
  // building programs
  'gcc',
  'g++',
  'make',
  'patch',
  'libc6-dev',
  'libopentracing-dev',
  'libyaml-cpp-dev',
  'nlohmann-json3-dev',
  'nodejs',
];

/** Files that nobody reads in a sandbox; leaving them out saves a fifth of the image and of the time to unpack it. */
export const DPKG_OPTIONS: readonly string[] = [
  'path-exclude=/usr/share/doc/*',
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/lintian/*',
  'force-unsafe-io',
];

/** Size of the guest's disk, bytes. Sparse: only what is used takes room. */
export const DISK_BYTES = 6 * 1024 ** 3;

/**
 * Runs as root inside the new root file system, with the public keys in the environment. QEMU's user network always has the same
 * addresses, so nothing waits for DHCP. The initrd is our own: the four modules that stand between the cloud kernel and its disk,
 * and a static busybox to load them, because Debian's general one costs several seconds of emulated CPU.
 */
export const CUSTOMIZE_SCRIPT = `set -eu
REL=$(ls /lib/modules | head -n 1)
useradd --create-home --shell /bin/bash --groups sudo ${GUEST_USER}
echo '${GUEST_USER} ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/${GUEST_USER}
chmod 0440 /etc/sudoers.d/${GUEST_USER}
install -d -m 0700 -o ${GUEST_USER} -g ${GUEST_USER} /home/${GUEST_USER}/.ssh
printf '%s\\n' "$SKUA_USER_KEY" > /home/${GUEST_USER}/.ssh/authorized_keys
chown ${GUEST_USER}:${GUEST_USER} /home/${GUEST_USER}/.ssh/authorized_keys
chmod 0600 /home/${GUEST_USER}/.ssh/authorized_keys

rm -f /etc/ssh/ssh_host_*
printf '%s' "$SKUA_HOST_PRIVATE" > /etc/ssh/ssh_host_ed25519_key
printf '%s\\n' "$SKUA_HOST_KEY" > /etc/ssh/ssh_host_ed25519_key.pub
chmod 0600 /etc/ssh/ssh_host_ed25519_key
cat > /etc/ssh/sshd_config.d/skua.conf <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
PrintMotd no
PrintLastLog no
MaxSessions 64
EOF

cat > /etc/systemd/network/10-skua.network <<'EOF'
[Match]
Name=en*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
EOF
echo 'nameserver 10.0.2.3' > /etc/resolv.conf
systemctl -q enable systemd-networkd
systemctl -q disable systemd-networkd-wait-online.service 2>/dev/null || true
systemctl -q mask e2scrub_all.timer e2scrub_reap.service fstrim.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \\
  systemd-timesyncd.service systemd-networkd-wait-online.service getty.target serial-getty@ttyS0.service \\
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-journal-flush.service systemd-pstore.service \\
  systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \\
  systemd-random-seed.service systemd-machine-id-commit.service systemd-firstboot.service ifupdown-pre.service \\
  modprobe@drm.service modprobe@fuse.service modprobe@efi_pstore.service
systemctl -q set-default multi-user.target
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nForwardToConsole=no\\n' > /etc/systemd/journald.conf.d/skua.conf
printf 'blacklist %s\\n' kvm_amd kvm_intel acpi_cpufreq powernow_k8 serio_raw evdev loop dm_mod > /etc/modprobe.d/skua-sandbox.conf
echo '/dev/vda / ext4 rw,noatime 0 0' > /etc/fstab
echo skua-sandbox > /etc/hostname
printf '127.0.0.1 localhost skua-sandbox\\n' > /etc/hosts
systemd-machine-id-setup > /dev/null 2>&1 || true

I=$(mktemp -d)
mkdir -p "$I/bin" "$I/mods" "$I/dev" "$I/proc" "$I/sys" "$I/root"
cp /bin/busybox "$I/bin/busybox"
n=10
for m in $(modprobe -S "$REL" --show-depends virtio_pci | sed -n 's/^insmod //p'; modprobe -S "$REL" --show-depends virtio_blk | sed -n 's/^insmod //p'); do
  b=$(basename "$m")
  ls "$I/mods" | grep -q -- "-$b$" || { cp "$m" "$I/mods/$n-$b"; n=$((n + 1)); }
done
cat > "$I/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for m in /mods/*.ko; do /bin/busybox insmod "$m"; done
n=0
while [ ! -b /dev/vda ]; do
  n=$((n + 1))
  [ "$n" -gt 500 ] && { echo 'skua: no disk /dev/vda'; /bin/busybox poweroff -f; }
  /bin/busybox usleep 10000
done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /root || { echo 'skua: /dev/vda cannot be mounted'; /bin/busybox poweroff -f; }
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
EOF
chmod 0755 "$I/init"
(cd "$I" && find . | cpio --quiet -o -H newc) > /boot/skua-initrd.img
rm -rf "$I" /boot/initrd.img-*
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*.log /usr/share/doc /usr/share/man
mkdir -p /usr/share/man/man1
`;

/** Everything but the keys that decides what the image is; the cache folder is named by it. */
export function definitionHash(publicKeys: readonly string[]): string {
  const hash = createHash('sha256');
  const parts = [
    'sandbox-format-1',
    GUEST_SUITE,
    GUEST_PACKAGES.join(' '),
    DPKG_OPTIONS.join(' '),
    String(DISK_BYTES),
    CUSTOMIZE_SCRIPT,
    ...publicKeys,
  ];
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}
