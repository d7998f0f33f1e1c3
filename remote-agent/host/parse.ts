/** Readers of what the system's own tools and files print. Pure; tested with outputs taken from real hosts. */

/** `PRETTY_NAME` and `ID`/`ID_LIKE` of /etc/os-release. */
export function parseOsRelease(text: string): { readonly name: string; readonly ids: readonly string[] } {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim());
    if (match !== null) fields.set(match[1] ?? '', match[2] ?? match[3] ?? match[4] ?? '');
  }
  const ids = [fields.get('ID') ?? '', ...(fields.get('ID_LIKE') ?? '').split(' ')].filter((id) => id !== '');
  return { name: fields.get('PRETTY_NAME') ?? fields.get('NAME') ?? 'Linux', ids };
}

/** /sys/kernel/security/lockdown: `[none] integrity confidentiality`. Undefined when the kernel has no lockdown. */
export function parseLockdown(text: string): string | undefined {
  return /\[(\w+)\]/.exec(text)?.[1];
}

/** Output of `mokutil --sb-state`; undefined when it cannot tell (no EFI, tool missing). */
export function parseSecureBoot(text: string): boolean | undefined {
  if (/SecureBoot enabled/i.test(text)) return true;
  if (/SecureBoot disabled/i.test(text)) return false;
  return undefined;
}

export interface LoadedModule {
  readonly name: string;
  readonly references: number;
  /** Loaded modules that use this one. */
  readonly users: readonly string[];
}

/** /proc/modules: `name size refcount user,user, state address (taint)`. */
export function parseModules(text: string): readonly LoadedModule[] {
  const modules: LoadedModule[] = [];
  for (const line of text.split('\n')) {
    const [name, size, references, users] = line.split(' ');
    if (name === undefined || size === undefined || references === undefined || users === undefined) continue;
    modules.push({
      name,
      references: Number(references),
      users: users === '-' ? [] : users.split(',').filter((user) => user !== '' && user !== '[permanent]'),
    });
  }
  return modules;
}

/**
 * The order in which modules can be removed: users before what they use. Only modules accepted by `mine` are listed.
 * A module used by something outside the set is reported in `blocked`.
 */
export function unloadOrder(
  modules: readonly LoadedModule[],
  mine: (name: string) => boolean,
): { readonly order: readonly string[]; readonly blocked: readonly LoadedModule[] } {
  const byName = new Map(modules.filter((m) => mine(m.name)).map((m) => [m.name, m]));
  const blocked = [...byName.values()].filter((m) => m.users.some((user) => !byName.has(user)));
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const user of byName.get(name)?.users ?? []) visit(user);
    if (byName.has(name)) order.push(name);
  };
  for (const name of byName.keys()) visit(name);
  return { order, blocked };
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** A line of /etc/group or of `getent group NAME`. */
export function parseGroup(text: string, name: string): Group | undefined {
  for (const line of text.split('\n')) {
    const [group, , gid, members] = line.trim().split(':');
    if (group === name && gid !== undefined && /^\d+$/.test(gid)) {
      return { name, gid: Number(gid), members: (members ?? '').split(',').filter((m) => m !== '') };
    }
  }
  return undefined;
}

/** /proc/skua/abi: `SKUA_ABI_VERSION source-hash`. */
export function parseAbi(
  text: string,
): { readonly version: number; readonly sourceHash: string } | undefined {
  const match = /^(\d+)(?:\s+(\S+))?\s*$/.exec(text);
  return match === null ? undefined : { version: Number(match[1]), sourceHash: match[2] ?? '' };
}

/** `lttng --version`: `lttng (LTTng Trace Control) 2.13.9 - Nordicité`. */
export function parseLttngVersion(text: string): readonly [number, number, number] | undefined {
  const match = /\b(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** The running kernel's part of a module's vermagic: `6.1.0-56-cloud-amd64 SMP preempt mod_unload modversions`. */
export function vermagicRelease(vermagic: string): string {
  return vermagic.trim().split(' ')[0] ?? '';
}

/** `a.b.c-…` is at least [major, minor]. */
export function kernelAtLeast(release: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (match === null) return false;
  const found = [Number(match[1]), Number(match[2])] as const;
  return found[0] > major || (found[0] === major && found[1] >= minor);
}
