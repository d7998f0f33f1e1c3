/**
 * What the kernel module counted for one recording of a session, as /proc/skua/sessions (SKUA.PROC_SESSIONS) shows it: see
 * docs/kernel-abi.md. Both the agent and, when the agent is gone, the client read it.
 */
export interface KernelAccount {
  /** False once the recording has stopped: then every count is final. */
  readonly running: boolean;
  /** Events offered to the buffers: recorded, or lost in them. */
  readonly events: number;
  /** Syscall entries and exits among them; exits without an id (the record that arms a thread) are not in `exits`. */
  readonly entries: number;
  readonly exits: number;
  /** Syscalls that were Skua's own: context records written by the tracing client. */
  readonly control: number;
  /** Events that the buffers lost; while it runs, those being recorded at the moment may be among them. */
  readonly lost: number;
}

/** The system calls that programs made inside spans: all but Skua's own. */
export function syscallsIn({ entries, control }: KernelAccount): number {
  return entries - control;
}

/** The newest recording of the session in the file's text; undefined when there is none. */
export function parseAccount(text: string, session: string): KernelAccount | undefined {
  const [header = '', ...lines] = text.trimEnd().split('\n');
  const columns = header.split(' ');
  let newest: KernelAccount | undefined;
  let generation = -1;
  for (const line of lines) {
    const cells = line.split(' ');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    const count = (name: string): number => Number(cell(name));
    if (cell('name') !== session || count('generation') < generation) continue;
    generation = count('generation');
    newest = {
      running: cell('state') === 'running',
      events: count('events'),
      entries: count('entries'),
      exits: count('exits'),
      control: count('control'),
      lost: count('events') - count('recorded'),
    };
  }
  return newest;
}
