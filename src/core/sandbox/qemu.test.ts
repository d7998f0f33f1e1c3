import { describe, expect, it } from 'vitest';
import { qemuArguments, type MachineOptions } from './qemu';

const options: MachineOptions = {
  kernel: '/cache/vmlinuz',
  initrd: '/cache/initrd.img',
  overlay: '/cache/a,b/disk.qcow2',
  console: '/cache/console.log',
  pidFile: '/cache/qemu.pid',
  sshPort: 40022,
  forwards: [],
  disks: [],
  accelerator: 'tcg',
  qemuVersion:
    'QEMU emulator version 10.0.8 (Debian 1:10.0.8+ds-0+deb13u1)\nCopyright (c) 2003-2025 Fabrice Bellard',
  cpus: 2,
  memoryMiB: 2048,
};

/** Values of an option, in order. */
function values(args: readonly string[], name: string): readonly string[] {
  return args.flatMap((arg, at) => (arg === name ? [args[at + 1] ?? ''] : []));
}

describe('qemuArguments', () => {
  const args = qemuArguments(options);

  it('forwards one port, and that on loopback only', () => {
    const forwards = args.join(' ').match(/hostfwd=\S+/g);
    expect(forwards).toEqual(['hostfwd=tcp:127.0.0.1:40022-:22']);
    expect(values(args, '-netdev')).toEqual(['user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:40022-:22']);
    // No default devices, and no monitor or display that would listen.
    expect(args).toContain('-nodefaults');
    expect(args.join(' ')).not.toMatch(/-monitor|-vnc|-qmp|-gdb/);
  });

  it('writes to the overlay only, whatever its path', () => {
    expect(values(args, '-drive')).toEqual([
      'file=/cache/a,,b/disk.qcow2,format=qcow2,if=virtio,cache=unsafe,discard=unmap',
    ]);
  });

  it('sends the kernel’s console to the file that is searched for trouble', () => {
    expect(values(args, '-serial')).toEqual(['file:/cache/console.log']);
    expect(values(args, '-append')[0]).toContain('console=ttyS0');
  });

  it('emulates unless hardware virtualization was chosen', () => {
    expect(values(args, '-accel')).toEqual(['tcg,thread=multi,tb-size=512']);
    expect(values(args, '-cpu')).toEqual(['max']);
    const kvm = qemuArguments({ ...options, accelerator: 'kvm', cpus: 4, memoryMiB: 512 });
    expect(values(kvm, '-accel')).toEqual(['kvm']);
    expect(values(kvm, '-cpu')).toEqual(['host']);
    expect([values(kvm, '-smp'), values(kvm, '-m')]).toEqual([['4'], ['512']]);
  });

  it.each([
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)', 'single'],
    ['QEMU emulator version 8.0.5', 'single'],
    ['QEMU emulator version 8.1.0', 'multi'],
    ['QEMU emulator version 11.0.50', 'multi'],
    ['', 'single'],
  ])('emulates the processors in turn where QEMU translates code that changes: %s', (qemuVersion, thread) => {
    expect(values(qemuArguments({ ...options, qemuVersion }), '-accel')).toEqual([
      `tcg,thread=${thread},tb-size=512`,
    ]);
  });

  it('lets instructions be the clock, in one thread, with ports and disks for what measures', () => {
    const measured = qemuArguments({
      ...options,
      accelerator: 'icount',
      forwards: [{ host: 40080, guest: 8080 }],
      disks: ['/cache/a,b.img'],
    });
    expect(values(measured, '-accel')[0]).toMatch(/^tcg,thread=single/);
    expect(values(measured, '-icount')).toEqual(['shift=0,sleep=on']);
    expect(values(args, '-icount')).toEqual([]);
    expect(values(measured, '-netdev')[0]).toMatch(
      /hostfwd=tcp:127\.0\.0\.1:40022-:22,hostfwd=tcp:127\.0\.0\.1:40080-:8080$/,
    );
    expect(values(measured, '-drive')[1]).toBe('file=/cache/a,,b.img,format=raw,if=virtio,readonly=on');
  });
});
