import { readFile } from 'node:fs/promises';
import { shortIpv6 } from '../syscalls/decode';
import type { Descriptors } from '../spans/descriptors';

/** How long a socket's address is looked for: a new socket has none until it is bound or connected. */
const LOOKUP_MS = 10_000;
const INTERVAL_MS = 200;
const MAX_WANTED = 5000;

/** Finds the addresses of sockets by inode in /proc/PID/net, in the network namespace of the traced process. */
export class SocketTable {
  private readonly wanted = new Map<string, number>();
  private last = 0;
  private busy = false;

  constructor(private readonly descriptors: Descriptors) {}

  /** To be called often; looks at most every 200 ms, and only while an address is wanted. */
  async tick(pid: number | undefined, nowMs: number): Promise<void> {
    for (const inode of this.descriptors.takeUnresolved()) {
      if (this.wanted.size < MAX_WANTED) this.wanted.set(inode, nowMs);
    }
    if (this.busy || pid === undefined || this.wanted.size === 0 || nowMs - this.last < INTERVAL_MS) return;
    this.busy = true;
    this.last = nowMs;
    try {
      for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6', 'unix'] as const) {
        const text = await readFile(`/proc/${pid}/net/${protocol}`, 'utf8').catch(() => '');
        const parse = protocol === 'unix' ? parseUnix : parseInet;
        for (const [inode, address] of parse(text, protocol)) {
          if (this.wanted.delete(inode)) this.descriptors.socket(inode, address);
        }
      }
      for (const [inode, since] of this.wanted) if (nowMs - since > LOOKUP_MS) this.wanted.delete(inode);
    } finally {
      this.busy = false;
    }
  }
}

const LISTEN = '0A';

/** Lines of /proc/net/{tcp,udp}[6]: local and remote address in hexadecimal, state, …, inode. */
export function* parseInet(text: string, protocol: string): Generator<readonly [string, string]> {
  for (const line of text.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    const [, local, remote, state] = columns;
    const inode = columns[9];
    if (local === undefined || remote === undefined || inode === undefined || inode === '0') continue;
    const name = protocol.replace('6', '');
    if (protocol.startsWith('tcp') && state === LISTEN) yield [inode, `${name} listen ${inetAddress(local)}`];
    else if (/^0+:0000$/.test(remote)) yield [inode, `${name} ${inetAddress(local)}`];
    else yield [inode, `${name} ${inetAddress(local)} → ${inetAddress(remote)}`];
  }
}

/** `0100007F:1F90`: each 32-bit word in host byte order, the port as a number. */
function inetAddress(text: string): string {
  const [address = '', port = '0'] = text.split(':');
  const bytes = Buffer.from(address, 'hex');
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  const number = parseInt(port, 16);
  if (bytes.length === 4) return `${[...bytes].join('.')}:${number}`;
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2));
  return `[${shortIpv6(words)}]:${number}`;
}

/** Lines of /proc/net/unix: number, counts, flags, type, state, inode, path. Only named sockets have an address. */
export function* parseUnix(text: string): Generator<readonly [string, string]> {
  for (const line of text.split('\n').slice(1)) {
    const match = /^\S+: \S+ \S+ \S+ \S+ \S+\s+(\d+) (\S.*)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) yield [match[1], `unix ${match[2]}`];
  }
}
