/** QEMU's command line for one instance of the sandbox. Pure. */

/**
 * How the guest's processors run. `tcg`: software emulation, one host thread each where QEMU can do that without hanging. `kvm`: hardware
 * virtualization. `icount`: software emulation in one thread, in which the guest's time is the number of instructions it has executed.
 */
export type Accelerator = 'tcg' | 'kvm' | 'icount';

export interface PortForward {
  readonly host: number;
  readonly guest: number;
}

export interface MachineOptions {
  readonly kernel: string;
  /** Not needed by a kernel that has its drivers built in. */
  readonly initrd?: string;
  /** qcow2 overlay of this instance. */
  readonly overlay: string;
  /** Further disks, raw images that the guest can only read: /dev/vdb and so on. */
  readonly disks: readonly string[];
  readonly console: string;
  readonly pidFile: string;
  /** Loopback port that leads to the guest's sshd. */
  readonly sshPort: number;
  /** Further loopback ports that lead to ports of the guest. */
  readonly forwards: readonly PortForward[];
  readonly accelerator: Accelerator;
  /** What `qemu-system-x86_64 --version` prints. */
  readonly qemuVersion: string;
  readonly cpus: number;
  readonly memoryMiB: number;
}

/**
 * Nothing of the guest is reachable but its sshd and what `forwards` names, on loopback. `mitigations=off`: the guest runs the user's own program only, and under
 * emulation they cost without protecting. The watchdogs are off because an emulated CPU of a busy machine is legitimately slow:
 * a soft-lockup report would be the host's load, not a fault of the guest.
 */
export function qemuArguments(o: MachineOptions): readonly string[] {
  return [
    ['-machine', 'q35,usb=off,vmport=off'],
    acceleration(o.accelerator, o.qemuVersion),
    ['-cpu', o.accelerator === 'kvm' ? 'host' : 'max'],
    ['-smp', String(o.cpus)],
    ['-m', String(o.memoryMiB)],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-serial', `file:${o.console}`],
    ['-pidfile', o.pidFile],
    ['-kernel', o.kernel],
    o.initrd === undefined ? [] : ['-initrd', o.initrd],
    [
      '-append',
      'root=/dev/vda rw console=ttyS0 loglevel=5 systemd.show_status=false mitigations=off nosoftlockup nowatchdog ' +
        'random.trust_cpu=on tsc=reliable no_timer_check cryptomgr.notests net.ifnames=1',
    ],
    ['-drive', `file=${escapeComma(o.overlay)},format=qcow2,if=virtio,cache=unsafe,discard=unmap`],
    ...o.disks.map((disk) => ['-drive', `file=${escapeComma(disk)},format=raw,if=virtio,readonly=on`]),
    [
      '-netdev',
      `user,id=net0,ipv6=off${[{ host: o.sshPort, guest: 22 }, ...o.forwards].map(forwardRule).join('')}`,
    ],
    ['-device', 'virtio-net-pci,netdev=net0,romfile='],
    ['-device', 'virtio-rng-pci'],
  ].flat();
}

/**
 * shift=0: one instruction takes one nanosecond of the guest's time, so that its clocks and time stamp counter count instructions.
 * sleep=on: while the processor idles, time passes as outside; without it, it would jump from timer to timer, and sshd would give up
 * waiting for a peer that has had no time to answer.
 */
function acceleration(accelerator: Accelerator, qemuVersion: string): readonly string[] {
  switch (accelerator) {
    case 'kvm':
      return ['-accel', 'kvm'];
    case 'tcg':
      return ['-accel', `tcg,thread=${translatesSafely(qemuVersion) ? 'multi' : 'single'},tb-size=512`];
    case 'icount':
      return ['-accel', 'tcg,thread=single,tb-size=512', '-icount', 'shift=0,sleep=on'];
  }
}

/**
 * Before 8.1, QEMU translates a page of the guest's code without keeping the other processors from writing to it meanwhile, and may keep
 * what it made of the old instructions for good. A kernel patches itself whenever a tracepoint is switched on or off; one of its processors
 * then runs into the same stale breakpoint for ever, with interrupts off (docs/decisions/0021). An unknown version counts as an old one.
 */
function translatesSafely(qemuVersion: string): boolean {
  const [, major = '0', minor = '0'] = /version (\d+)\.(\d+)/.exec(qemuVersion) ?? [];
  return Number(major) > 8 || (Number(major) === 8 && Number(minor) >= 1);
}

function forwardRule({ host, guest }: PortForward): string {
  return `,hostfwd=tcp:127.0.0.1:${String(host)}-:${String(guest)}`;
}

/** QEMU separates options by commas; one inside a value is doubled. */
function escapeComma(value: string): string {
  return value.replaceAll(',', ',,');
}
