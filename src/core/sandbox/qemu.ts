/** QEMU's command line for one instance of the sandbox. Pure. */
export interface MachineOptions {
  readonly kernel: string;
  readonly initrd: string;
  /** qcow2 overlay of this instance. */
  readonly overlay: string;
  readonly console: string;
  readonly pidFile: string;
  /** Loopback port that leads to the guest's sshd. */
  readonly sshPort: number;
  readonly accelerator: 'tcg' | 'kvm';
  readonly cpus: number;
  readonly memoryMiB: number;
}

/**
 * Nothing of the guest is reachable but its sshd, on loopback. `mitigations=off`: the guest runs the user's own program only, and under
 * emulation they cost without protecting. The watchdogs are off because an emulated CPU of a busy machine is legitimately slow:
 * a soft-lockup report would be the host's load, not a fault of the guest.
 */
export function qemuArguments(o: MachineOptions): readonly string[] {
  return [
    ['-machine', 'q35,usb=off,vmport=off'],
    ['-accel', o.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi,tb-size=512'],
    ['-cpu', o.accelerator === 'kvm' ? 'host' : 'max'],
    ['-smp', String(o.cpus)],
    ['-m', String(o.memoryMiB)],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-serial', `file:${o.console}`],
    ['-pidfile', o.pidFile],
    ['-kernel', o.kernel],
    ['-initrd', o.initrd],
    [
      '-append',
      'root=/dev/vda rw console=ttyS0 loglevel=5 systemd.show_status=false mitigations=off nosoftlockup nowatchdog ' +
        'random.trust_cpu=on tsc=reliable no_timer_check cryptomgr.notests net.ifnames=1',
    ],
    ['-drive', `file=${escapeComma(o.overlay)},format=qcow2,if=virtio,cache=unsafe,discard=unmap`],
    ['-netdev', `user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:${String(o.sshPort)}-:22`],
    ['-device', 'virtio-net-pci,netdev=net0,romfile='],
    ['-device', 'virtio-rng-pci'],
  ].flat();
}

/** QEMU separates options by commas; one inside a value is doubled. */
function escapeComma(value: string): string {
  return value.replaceAll(',', ',,');
}
