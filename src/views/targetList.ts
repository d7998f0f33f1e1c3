import SSHConfig from 'ssh-config';
import type { TargetSpec } from '../core/api';
import { parseTarget } from '../core/target-spec';

/** Host aliases a person can choose from: no patterns, no negations, each once, in the order of the file. */
export function hostAliases(sshConfig: string): readonly string[] {
  const aliases = new Set<string>();
  for (const line of SSHConfig.parse(sshConfig)) {
    if (line.type !== SSHConfig.DIRECTIVE || line.param.toLowerCase() !== 'host') continue;
    const values = Array.isArray(line.value) ? line.value.map(({ val }) => val) : line.value.split(/\s+/);
    for (const value of values) if (value !== '' && !/[*?!]/.test(value)) aliases.add(value);
  }
  return [...aliases];
}

/** The valid entries of the setting `skua.targets`; `invalid` counts the others. */
export function settingsTargets(value: unknown): {
  readonly targets: readonly TargetSpec[];
  readonly invalid: number;
} {
  if (!Array.isArray(value)) return { targets: [], invalid: 0 };
  const targets: TargetSpec[] = [];
  let invalid = 0;
  for (const entry of value) {
    try {
      targets.push(parseTarget(entry));
    } catch {
      // The settings editor marks the entry by the schema; the view goes on without it.
      invalid += 1;
    }
  }
  return { targets, invalid };
}
