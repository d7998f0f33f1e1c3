/**
 * Registers the programs that export `otel_thread_ctx_v1` with the kernel, on their behalf: the launched one and the processes that descend
 * from it. A library may bring the variable at any time, and an exec or a fork ends a registration, so their mappings are watched.
 *
 *   launch ──► skua-launch registers the main program's variable itself, in force from its first instruction
 *   every 10 to 100 ms ──► new process, or changed mappings? ──► inspect ──► skua-launch --register-process
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Disposable } from '../../common/base/disposable';
import type { Log } from '../base/log';
import { run } from '../base/run';
import { Inspector } from './inspect';
import type { Location } from './location';

/** Often at first, when libraries are loaded. */
const EAGER_MS = 10;
const EAGER_FOR_MS = 2000;
const WATCH_MS = 100;
/** Of the time at most this part goes into watching, however many processes there are and however slow the host is. */
const WATCHING_SHARE = 1 / 20;
/** The loader maps a library before it places its variable: looked at again for so long after each change. */
const SETTLING_MS = 1000;
const MAX_PROCESSES = 256;
const MAX_THREADS_ASKED = 64;
const HELPER_MS = 10_000;

interface Watched {
  maps: string;
  settled: boolean;
  readonly changedMs: number;
  registered: string | undefined;
}

export class Registrar implements Disposable {
  private readonly inspector = new Inspector();
  private readonly processes = new Map<number, Watched>();
  private readonly said = new Set<string>();
  private readonly started = Date.now();
  private timer: NodeJS.Timeout | undefined;
  private over = false;

  constructor(
    private readonly launcher: string,
    private readonly program: number,
    private readonly log: Log,
  ) {
    void this.watch();
  }

  dispose(): void {
    this.over = true;
    clearTimeout(this.timer);
  }

  private async watch(): Promise<void> {
    let busyMs = performance.now();
    const alive = descendants(this.program);
    for (const pid of this.processes.keys()) if (!alive.includes(pid)) this.processes.delete(pid);
    const found = alive.map((pid) => this.look(pid));
    busyMs = performance.now() - busyMs;
    for (const registration of found) await registration?.();
    if (this.over) return;
    const usual = Date.now() - this.started < EAGER_FOR_MS ? EAGER_MS : WATCH_MS;
    const delay = Math.max(usual, busyMs / WATCHING_SHARE);
    this.timer = setTimeout(() => void this.watch(), delay);
    this.timer.unref();
  }

  /** Returns what there is to register, if anything new. */
  private look(pid: number): (() => Promise<void>) | undefined {
    try {
      const maps = executableMappings(pid);
      let watched = this.processes.get(pid);
      if (watched?.maps !== maps) {
        // Whatever was registered is gone if this is another program; registering twice does no harm.
        watched = { maps, settled: false, changedMs: Date.now(), registered: undefined };
        this.processes.set(pid, watched);
      }
      if (watched.settled) return undefined;
      watched.settled = Date.now() - watched.changedMs > SETTLING_MS;
      const result = this.inspector.inspect(pid);
      if (result.state === 'unknown' && watched.settled)
        this.sayOnce(`The thread contexts of ${result.path} cannot be read: ${result.why}.`);
      if (result.state !== 'found') return undefined;
      const place = JSON.stringify(result.location);
      if (watched.registered === place) return undefined;
      watched.registered = place;
      return () => this.register(pid, result.location, result.path);
    } catch {
      this.processes.delete(pid); // It has ended meanwhile, or runs as somebody else now.
      return undefined;
    }
  }

  private async register(pid: number, location: Location, path: string): Promise<void> {
    const result = await run(this.launcher, ['--register-process', String(pid), ...locationArgs(location)], {
      timeoutMs: HELPER_MS,
    });
    if (result.code === 0)
      this.log('info', `Thread contexts of process ${pid} are read from its memory (${path}).`);
    else if (!this.over)
      this.sayOnce(`The thread contexts of ${path} cannot be read: ${result.stderr.trim()}`);
  }

  private sayOnce(text: string): void {
    if (this.said.has(text)) return;
    this.said.add(text);
    this.log('warn', text);
  }
}

/** The launcher's options that say where a variable is. */
export function locationArgs(location: Location): readonly string[] {
  const offset = ['--offset', String(location.offset)];
  return location.kind === 'static' ? offset : [...offset, '--module', String(location.module)];
}

/** The lines of /proc/PID/maps that a dlopen, an exec or address space randomization changes, and thread stacks do not. */
function executableMappings(pid: number): string {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => line.slice(0, 60).includes('x') && (line.includes('/') || line.endsWith('[vdso]')))
    .join('\n');
}

/** A process and all below it, as far as they can be seen. */
function descendants(root: number): readonly number[] {
  const found = [root];
  for (let at = 0; at < found.length && found.length < MAX_PROCESSES; at++) {
    for (const child of children(found[at] ?? 0)) if (!found.includes(child)) found.push(child);
  }
  return found;
}

function children(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .slice(0, MAX_THREADS_ASKED)
      .flatMap((tid) =>
        readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
      );
  } catch {
    return []; // It ended just now, or the kernel does not tell.
  }
}
