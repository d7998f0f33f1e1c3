import { mkdtemp, readdir, rm, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { SessionOptions } from '../../common/protocol/agent';
import type { Run } from '../base/run';
import { explainLttng, LttngControl } from './control';
import { parseMi } from './mi';
import { armHelper, preflightId } from './preflight';
import { processId, SessionRecords } from './stale';

// Outputs of lttng-tools 2.13.9 on Debian 12, header line shortened.
const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<command schemaVersion="4.1">';
const LIST = `${HEAD}<name>list</name><output><sessions><session><name>skua-t1</name><path>tcp4://127.0.0.1:5542/ [data: 5543]</path><enabled>true</enabled><snapshot_mode>0</snapshot_mode><live_timer_interval>20000</live_timer_interval></session><session><name>other</name><path>/root/lttng-traces/other</path><enabled>false</enabled><snapshot_mode>0</snapshot_mode><live_timer_interval>0</live_timer_interval></session></sessions></output><success>true</success></command>`;
const LIST_NONE = `${HEAD}<name>list</name><output><sessions/></output></command>`;
const DESTROY_UNKNOWN = `Error: Session name skua-t1 not found\n${HEAD}<name>destroy</name><output><sessions/></output><success>false</success></command>`;
const KERNEL_EVENTS = `${HEAD}<name>list</name><output><domains><domain><type>KERNEL</type><buffer_type>PER_PID</buffer_type><events><event><name>sched_switch</name><type>TRACEPOINT</type><enabled>true</enabled></event><event><name>skua_fd</name><type>TRACEPOINT</type><enabled>true</enabled></event></events></domain></domains></output></command>`;
const ADD_CONTEXT = `${HEAD}<name>add-context</name><output><contexts><context><type>PID</type><symbol>pid</symbol><success>true</success></context><context><type>TID</type><symbol>tid</symbol><success>true</success></context></contexts></output><success>true</success></command>`;
// lttng-tools 2.16.0 on Debian sid.
const LIST_OF_2_16 = `<?xml version="1.0" encoding="UTF-8"?>
<command schemaVersion="4.3"><name>list</name><output><sessions><session><name>skua-t1</name><path>tcp4://127.0.0.1:55342/ [data: 55343]</path><trace_format>CTF_1_8</trace_format><enabled>false</enabled><snapshot_mode>0</snapshot_mode><live_timer_interval>20000</live_timer_interval></session></sessions></output></command>`;

describe('parseMi', () => {
  it('reads sessions', () => {
    expect(parseMi(LIST)?.sessions).toEqual([
      { name: 'skua-t1', path: 'tcp4://127.0.0.1:5542/ [data: 5543]', active: true, liveTimerUs: 20000 },
      { name: 'other', path: '/root/lttng-traces/other', active: false, liveTimerUs: 0 },
    ]);
    expect(parseMi(LIST_NONE)).toMatchObject({ command: 'list', success: true, sessions: [] });
  });

  it('reads failure beside plain text, events and contexts', () => {
    expect(parseMi(DESTROY_UNKNOWN)).toMatchObject({ command: 'destroy', success: false });
    expect(parseMi(KERNEL_EVENTS)?.events.map((event) => event.name)).toEqual(['sched_switch', 'skua_fd']);
    expect(parseMi(ADD_CONTEXT)?.contexts).toEqual([
      { name: 'pid', success: true },
      { name: 'tid', success: true },
    ]);
  });

  it('is undefined for what is not a reply', () => {
    expect(parseMi('Error: Unknown context type skua_nope')).toBeUndefined();
    expect(parseMi('<?xml version="1.0"?><html/>')).toBeUndefined();
  });
});

const OPTIONS: SessionOptions = {
  name: 'skua-t1',
  tracepoints: ['sched_switch', 'nosuch'],
  syscalls: 'all',
  subbufferBytes: 262144,
  subbuffers: 8,
  liveTimerUs: 20000,
  queueBytes: 65_536,
};

/** Answers `lttng` commands and notes them. */
function fakeLttng(
  fail?: string,
  version = 'lttng (LTTng Trace Control) 2.13.9 - Nordicité',
): { exec: Run; commands: string[] } {
  const commands: string[] = [];
  const exec: Run = (_file, args) => {
    const command = args.join(' ').replace('--no-sessiond --mi xml ', '');
    commands.push(command);
    const base = { signal: null, stderr: '' };
    if (command === '--version') return Promise.resolve({ ...base, code: 0, stdout: version });
    if (fail !== undefined && command.startsWith(fail)) {
      return Promise.resolve({ ...base, code: 4, stdout: '', stderr: 'Error: Kernel tracer not available' });
    }
    return Promise.resolve({
      ...base,
      code: 0,
      stdout: command.startsWith('list') ? KERNEL_EVENTS : ADD_CONTEXT,
    });
  };
  return { exec, commands };
}

describe('LttngControl', () => {
  it('configures everything before the start, leaving out what the host does not have', async () => {
    const { exec, commands } = fakeLttng();
    const { notes } = await new LttngControl(exec).configure(
      OPTIONS,
      { control: 1, data: 2 },
      new AbortController().signal,
    );
    expect(commands).toEqual([
      '--version',
      'create skua-t1 --live=20000 -U net://127.0.0.1:1:2',
      'enable-channel --kernel -s skua-t1 skua --discard --subbuf-size=262144 --num-subbuf=8 --read-timer=20000',
      'add-context --kernel -s skua-t1 -c skua -t pid -t tid -t procname',
      'enable-event --kernel -s skua-t1 -c skua --syscall --all',
      'list --kernel',
      'enable-event --kernel -s skua-t1 -c skua skua_fd,sched_switch',
    ]);
    expect(notes).toEqual([
      'These tracepoints do not exist on this host and are not recorded: skua_mapping, sched_process_exit, nosuch.',
    ]);
  });

  it('says that the daemon hangs, and waits for it once only', async () => {
    let asked = 0;
    const control = new LttngControl(() => {
      asked += 1;
      return Promise.resolve({ code: null, signal: 'SIGKILL', stdout: '', stderr: '' });
    });
    const hangs = { code: 'lttng-failed', message: expect.stringContaining('did not answer') as string };
    await expect(control.start('skua-t1')).rejects.toMatchObject(hangs);
    await expect(control.destroy('skua-t1')).rejects.toMatchObject(hangs);
    expect(asked).toBe(1);
    control.daemonMayHaveChanged();
    await expect(control.start('skua-t1')).rejects.toMatchObject(hangs);
    expect(asked).toBe(2);
  });

  it.each([
    ['lttng (LTTng Trace Control) 2.14.0 - Cassis', ''],
    ['lttng (LTTng Trace Control) 2.15.0 - Péché Mortel', ' --trace-format=ctf-1.8'],
    ['lttng (LTTng Trace Control) 2.16.0 - Question de Perspective', ' --trace-format=ctf-1.8'],
  ])('asks for CTF 1.8 where it is not the default: %s', async (version, option) => {
    const { exec, commands } = fakeLttng(undefined, version);
    await new LttngControl(exec).configure(OPTIONS, { control: 1, data: 2 }, new AbortController().signal);
    expect(commands[1]).toBe(`create skua-t1 --live=20000 -U net://127.0.0.1:1:2${option}`);
  });

  it('reads the machine interface of lttng-tools 2.16', () => {
    expect(parseMi(LIST_OF_2_16)).toMatchObject({
      command: 'list',
      success: true,
      sessions: [{ name: 'skua-t1', active: false, liveTimerUs: 20_000 }],
    });
  });

  it('destroys what it had created when a step fails, and says why', async () => {
    const { exec, commands } = fakeLttng('enable-channel');
    const configure = new LttngControl(exec).configure(
      OPTIONS,
      { control: 1, data: 2 },
      new AbortController().signal,
    );
    await expect(configure).rejects.toMatchObject({
      code: 'lttng-failed',
      message: 'The LTTng session daemon has no kernel tracer.',
    });
    expect(commands.at(-1)).toBe('destroy --no-wait skua-t1');
  });

  it('explains missing tools and an absent daemon', () => {
    expect(explainLttng(['list'], 'spawn lttng ENOENT', 127).code).toBe('lttng-missing');
    expect(explainLttng(['list'], 'Error: No session daemon is available', 23)).toMatchObject({
      code: 'lttng-failed',
      message: 'The LTTng session daemon does not answer this user.',
    });
  });
});

describe('armHelper', () => {
  const answer =
    (code: number, stderr: string): Run =>
    () =>
      Promise.resolve({ code, signal: null, stdout: '', stderr });

  it('writes a sampled record of the given trace id', async () => {
    let script = '';
    await armHelper(preflightId(0x0102030405060708n), (_file, args) => {
      script = args[1] ?? '';
      return Promise.resolve({ code: 0, signal: null, stdout: '', stderr: '' });
    });
    const octal = [...script.matchAll(/\\(\d{3})/g)].map((m) => parseInt(m[1] ?? '', 8));
    expect(octal).toHaveLength(28);
    expect(octal.slice(8, 16)).toEqual([1, 2, 3, 4, 5, 6, 7, 9]); // The lowest bit is set: an id is never zero.
    expect(octal.slice(16)).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0]);
  });

  it('tells permission from absence', async () => {
    const denied = 'sh: 1: cannot create /proc/skua/context: Permission denied';
    await expect(armHelper(preflightId(1n), answer(2, denied))).rejects.toMatchObject({
      code: 'context-permission',
    });
    const absent = 'sh: 1: cannot create /proc/skua/context: Directory nonexistent';
    await expect(armHelper(preflightId(1n), answer(2, absent))).rejects.toMatchObject({
      code: 'context-device-missing',
    });
  });
});

describe('SessionRecords', () => {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });

  it('cleans sessions of dead agents and touches nothing else', async () => {
    const state = await mkdtemp(join(tmpdir(), 'skua-'));
    folders.push(state);
    const records = new SessionRecords(state);
    const self = await processId(process.pid);
    if (self === undefined) throw new Error('this process has no id');
    const output = join(state, 'skua', 'old');
    await mkdir(output, { recursive: true });
    await records.write({ session: 'skua-live', agent: self, folder: join(state, 'live') });
    // The same pid with another start time is another process.
    await records.write({ session: 'skua-dead', agent: { pid: self.pid, start: '1' }, folder: output });
    await writeFile(join(state, 'sessions', 'skua-torn.json'), '{"sess');
    const { exec, commands } = fakeLttng();
    expect(await records.cleanStale(new LttngControl(exec), () => undefined)).toEqual(['skua-dead']);
    expect(commands).toEqual(['destroy --no-wait skua-dead']);
    expect(await readdir(join(state, 'sessions'))).toEqual(['skua-live.json']);
    expect(await readdir(join(state, 'skua'))).toEqual([]);
  });
});
