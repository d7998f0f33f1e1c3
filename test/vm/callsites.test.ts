/**
 * Call sites on a real kernel: two sessions record the same system calls, one with a table of call sites, one without. For every
 * call the lines and the whole stack must be equal, and right.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CtfEvent } from '../../common/ctf/types';
import { ATTR, type Attributes } from '../../common/model/span';
import { openCtfFolder } from '../../remote-agent/live/folder';
import { KernelSpans } from '../../remote-agent/spans/kernelSpans';
import { CallSites, recordedStack } from '../../remote-agent/symbols/callSites';
import { Symbolizer } from '../../remote-agent/symbols/symbolizer';
import { quote, REPOSITORY, runLocal, type Guest } from './guest';
import { openGuestWithModules } from './modules';
import { closeWithoutTrouble } from './trouble';

const LINE_BASE = 1_000_000;
const NO_LINE_BASE = 2_000_000;
const PROGRAMS_BUILT = '/root/callsites';

let guest: Guest;
let folder: string;

/** What one session says of the calls, by syscall id, in the order of their entries. */
interface Recorded {
  readonly calls: ReadonlyMap<bigint, { readonly fd: number; readonly attributes: Attributes }>;
  readonly definitions: number;
  /** Definitions that nothing will refer to: the mappings could not be looked at just then. */
  readonly unnamed: number;
  readonly references: number;
  readonly lost: number;
  readonly stackBytes: number;
}

async function table(entries: number): Promise<void> {
  await guest.must(`echo ${entries} > /sys/module/skua/parameters/skua_sites`);
}

async function counters(): Promise<ReadonlyMap<string, number>> {
  const lines = (await guest.must('cat /proc/skua/stats')).trim().split('\n');
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
}

/** Records a shell command in sessions with tables of these sizes at the same time; returns their folders here. */
async function record(sizes: readonly number[], command: string): Promise<readonly string[]> {
  const names = sizes.map((size, index) => `skua-sites-${index}-${size}`);
  for (const [index, name] of names.entries()) {
    await guest.must(
      `rm -rf /root/${name}; lttng -q create ${name} -o /root/${name}
       lttng -q enable-channel -s ${name} -k c --subbuf-size=4M --num-subbuf=8
       lttng -q add-context -s ${name} -k -c c -t vpid -t vtid -t procname
       lttng -q enable-event -s ${name} -k -c c --syscall close,execve,exit_group
       lttng -q enable-event -s ${name} -k -c c skua_mapping`,
    );
    await table(sizes[index] ?? 0);
    await guest.must(`lttng -q start ${name}`);
  }
  try {
    await guest.must(`cd ${PROGRAMS_BUILT} && ${command}`);
  } finally {
    for (const name of names) await guest.must(`lttng -q destroy ${name}`);
    await table(8192);
  }
  return Promise.all(
    names.map(async (name) => {
      const local = join(folder, name);
      await download(`/root/${name}/kernel`, local);
      return local;
    }),
  );
}

/** A folder, or the file of that path, of the guest. */
async function download(remote: string, local: string): Promise<void> {
  rmSync(local, { recursive: true, force: true });
  mkdirSync(local, { recursive: true });
  const encoded = await guest.must(`tar -C ${quote(remote)} --dereference -czf - . | base64 -w0`);
  await runLocal('tar', ['-C', local, '-xzf', '-'], Buffer.from(encoded, 'base64'));
}

/** The guest's files as far as they are mapped by the programs: what the symbolizer reads, below another root. */
async function downloadModules(trace: string): Promise<string> {
  const root = join(folder, 'root');
  const paths = new Set<string>();
  for (const event of events(trace)) {
    const path = event.fields['path'];
    if (event.name === 'skua_mapping' && typeof path === 'string' && path.startsWith('/')) paths.add(path);
  }
  mkdirSync(root, { recursive: true });
  const list = [...paths].map((path) => quote(path.slice(1))).join(' ');
  const encoded = await guest.must(`tar -C / --dereference -czf - ${list} | base64 -w0`);
  await runLocal('tar', ['-C', root, '-xzf', '-'], Buffer.from(encoded, 'base64'));
  return root;
}

function* events(trace: string): Generator<CtfEvent> {
  const ctf = openCtfFolder(trace);
  try {
    for (const batch of ctf.batches()) for (const item of batch) if (item.kind === 'event') yield item;
  } finally {
    ctf.dispose();
  }
}

/** In order of the ids: events of two processors may come in another order to one session than to another. */
function idsOf({ calls }: Recorded): readonly bigint[] {
  return [...calls.keys()].sort((a, b) => (a < b ? -1 : 1));
}

/** Through the agent's own stages up to the attributes of each call. */
async function read(trace: string, root: string): Promise<Recorded> {
  const symbolizer = new Symbolizer({
    helper: join(REPOSITORY, 'out/native/skua-symbols'),
    queueBytes: 2 ** 30,
  });
  const sites = new CallSites((samples) => symbolizer.symbolize(samples));
  const fds = new Map<bigint, number>();
  const answers = new Map<bigint, Promise<readonly Attributes[]>>();
  const seen = { definitions: 0, unnamed: 0, references: 0, stackBytes: 0, lost: 0 };
  const kernel = new KernelSpans((output) => {
    if (output.kind === 'mapping') {
      const { mapping } = output;
      // The inode and the folder are the guest's; the file is the same.
      const path = mapping.path.startsWith('/') ? join(root, mapping.path) : mapping.path;
      symbolizer.mapping(output.pid, { ...mapping, ino: 0n, path });
    } else if (output.kind === 'exec') {
      symbolizer.exec(output.pid);
    } else if (output.kind === 'sample') {
      if (!fds.has(output.id)) return;
      const stack = recordedStack(output.stack);
      if (stack.kind === 'definition') seen.definitions += 1;
      else seen.references += 1;
      if (stack.kind === 'definition' && stack.site === 0n) seen.unnamed += 1;
      seen.stackBytes += output.stack.length;
      answers.set(output.id, sites.resolve([{ pid: output.pid, bytes: output.stack }]));
    }
  }, false);
  const ctf = openCtfFolder(trace);
  for (const batch of ctf.batches()) {
    for (const item of batch) {
      if (item.kind !== 'event') seen.lost += 1;
      else if (item.name === 'syscall_entry_close') {
        const fd = Number(item.fields['fd']);
        if (fd >= LINE_BASE) fds.set(item.context['skua_syscall'] as bigint, fd);
      }
      kernel.item(item);
    }
  }
  ctf.dispose();
  const calls = new Map<bigint, { fd: number; attributes: Attributes }>();
  for (const [id, answer] of answers)
    calls.set(id, { fd: fds.get(id) ?? 0, attributes: (await answer)[0] ?? {} });
  await symbolizer.dispose();
  return { calls, ...seen };
}

/** The same program and library twice, the second time with other lines at the same addresses. Static ones do not move either. */
function buildPrograms(into: string): void {
  mkdirSync(into, { recursive: true });
  const sources = join(REPOSITORY, 'test/vm/guest');
  for (const name of ['callsites', 'callsites_library']) {
    const text = readFileSync(join(sources, `${name}.c`), 'utf8');
    writeFileSync(join(into, `${name}.c`), text);
    writeFileSync(join(into, `${name}_shifted.c`), '\n'.repeat(7) + text);
  }
  const include = ['-I', sources, '-I', join(REPOSITORY, 'kernel/include')];
  const gcc = (out: string, source: string, ...flags: readonly string[]): void => {
    execFileSync(
      'gcc',
      ['-O2', '-g', '-pthread', ...include, ...flags, '-o', join(into, out), join(into, source)],
      { stdio: 'ignore' },
    );
  };
  gcc('callsites', 'callsites.c');
  gcc('framed', 'callsites.c', '-fno-omit-frame-pointer');
  gcc('libone.so', 'callsites_library.c', '-shared', '-fPIC');
  gcc('libtwo.so', 'callsites_library_shifted.c', '-shared', '-fPIC');
  gcc('static', 'callsites.c', '-static', '-no-pie', '-fno-pie');
  gcc('shifted', 'callsites_shifted.c', '-static', '-no-pie', '-fno-pie');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skua-callsites-'));
  execFileSync('bash', [join(REPOSITORY, 'tools/build-native.sh'), '--out', join(REPOSITORY, 'out/native')]);
  // Built here: the guest has the same C library, and is slow.
  const built = join(folder, 'programs');
  buildPrograms(built);
  guest = await openGuestWithModules('gid=0');
  await guest.upload(built, PROGRAMS_BUILT);
});

afterAll(async () => {
  await closeWithoutTrouble(guest);
  rmSync(folder, { recursive: true, force: true });
});

describe('call sites', () => {
  it('give every call the stack and the line that it has without them', async () => {
    const before = await counters();
    const [withTable, without] = await record(
      [8192, 0],
      './callsites 12 ./libone.so ./libtwo.so 2> loaded; ./framed 4; ./static 4; ./shifted 4',
    );
    const after = await counters();
    if (withTable === undefined || without === undefined) throw new Error('not recorded');
    const root = await downloadModules(without);
    const full = await read(without, root);
    const table = await read(withTable, root);

    expect([full.lost, table.lost]).toEqual([0, 0]);
    expect(full.references).toBe(0);
    expect(full.calls.size).toBeGreaterThan(1000);
    expect(idsOf(table)).toEqual(idsOf(full));
    const differing = [...full.calls].filter(
      ([id, call]) => JSON.stringify(table.calls.get(id)?.attributes) !== JSON.stringify(call.attributes),
    );
    expect(differing.map(([id, call]) => [call, table.calls.get(id)])).toEqual([]);

    const wrong = [...full.calls.values()].filter(({ fd, attributes }) =>
      fd >= NO_LINE_BASE
        ? attributes[ATTR.codeLine] !== undefined
        : attributes[ATTR.codeLine] !== fd - LINE_BASE,
    );
    expect(wrong).toEqual([]);
    // The libraries did take each other's place, or there was nothing to confuse.
    const places = (await guest.must(`cat ${PROGRAMS_BUILT}/loaded`)).trim().split('\n');
    const addresses = new Set(places.map((line) => line.split(' at ')[1]));
    expect(places.length).toBe(20);
    expect(addresses.size).toBeLessThan(3);

    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(grown('sites_new')).toBeGreaterThanOrEqual(table.definitions - table.unnamed);
    expect(grown('sites_known')).toBeGreaterThanOrEqual(table.references);
    expect(grown('sites_none')).toBeGreaterThanOrEqual(full.definitions + table.unnamed);
    expect(grown('sites_evicted')).toBe(0);
    // Both sessions saw the same calls: with memos, and with stacks in full.
    expect(grown('sites_remembered')).toBeGreaterThan(100);
    console.log(
      `${String(full.calls.size)} calls, ${String(table.references)} by reference; stack bytes a call: ` +
        `${(table.stackBytes / table.calls.size).toFixed(0)} with the table, ${(full.stackBytes / full.calls.size).toFixed(0)} without`,
    );
    // This program does all it can to differ; a loop of the same call refers but for the first time.
    expect(table.references).toBeGreaterThan(500);
  });

  it('stay right when the table is far too small: what is evicted is sent again, and counted', async () => {
    const before = await counters();
    const [small, without] = await record([8, 0], './callsites 3');
    const after = await counters();
    if (small === undefined || without === undefined) throw new Error('not recorded');
    const root = await downloadModules(without);
    const [tiny, full] = [await read(small, root), await read(without, root)];
    expect(idsOf(tiny)).toEqual(idsOf(full));
    expect(idsOf(full).map((id) => tiny.calls.get(id))).toEqual(idsOf(full).map((id) => full.calls.get(id)));
    expect((after.get('sites_evicted') ?? 0) - (before.get('sites_evicted') ?? 0)).toBeGreaterThan(100);
  });
});
