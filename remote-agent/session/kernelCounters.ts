import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { SKUA } from '../../common/model/abi';
import { parseAccount, type KernelAccount } from '../../common/model/kernelAccount';

/** What the kernel module counted, since it was loaded, as not done as asked. Of all sessions and programs on the host. */
export interface KernelTroubles {
  readonly unreadable: number;
  readonly refused: number;
  readonly missed: number;
}

export async function readTroubles(): Promise<KernelTroubles> {
  return troublesIn(await readFile(SKUA.PROC_STATS, 'utf8').catch(() => ''));
}

/** `text` is that of /proc/skua/stats: lines of name and value. */
export function troublesIn(text: string): KernelTroubles {
  const sum = (names: RegExp): number => {
    let total = 0;
    for (const line of text.split('\n')) {
      const [name = '', value = ''] = line.trim().split(/\s+/);
      if (names.test(name)) total += Number(value);
    }
    return total;
  };
  return {
    unreadable: sum(/unreadable|faulted/),
    refused: sum(/_refused|_no_room$/),
    missed: sum(/_missed$/),
  };
}

/** What the session has been offered so far; undefined when the module does not say. */
export async function readAccount(session: string): Promise<KernelAccount | undefined> {
  const text = await readFile(SKUA.PROC_SESSIONS, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseAccount(text, session);
}

/**
 * The same when the recording has stopped, so that the counts are final: LTTng's daemons may take a moment to let go of a session.
 * After `patienceMs` the account as it stands.
 */
export async function readFinalAccount(
  session: string,
  patienceMs: number,
): Promise<KernelAccount | undefined> {
  for (const deadline = Date.now() + patienceMs; ;) {
    const account = await readAccount(session);
    if (account?.running !== true || Date.now() > deadline) return account;
    await sleep(100);
  }
}

const UDP_TABLE = '/proc/net/udp';

/** Datagrams that the socket bound to this port had no room for, so far. */
export async function readUdpDrops(port: number): Promise<number> {
  return udpDropsIn(await readFile(UDP_TABLE, 'utf8').catch(() => ''), port);
}

/** `text` is that of /proc/net/udp: a line for each socket, the local port in hexadecimal, drops in the last column. */
export function udpDropsIn(text: string, port: number): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  let drops = 0;
  for (const line of text.split('\n').slice(1)) {
    const cells = line.trim().split(/\s+/);
    if (cells[1]?.endsWith(`:${wanted}`) === true) drops += Number(cells.at(-1));
  }
  return drops;
}
