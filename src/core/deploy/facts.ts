import { SkuaError } from '../../../common/base/errors';
import type { CoreContext } from '../api';
import { uploadError } from './push';
import type { SshConnection } from '../ssh/connection';

/** What deployment has to know about a target before the agent can be asked. */
export interface TargetFacts {
  /** `${XDG_DATA_HOME:-~/.local/share}/skua`, absolute, and existing. */
  readonly base: string;
  readonly home: string;
  readonly kernelRelease: string;
  /** `uname -m`. */
  readonly machine: string;
  /** Absolute path of a Node of version 18 or later, when there is one. */
  readonly node?: string;
}

const OLDEST_NODE = 18;

const PROBE = `umask 077
base="\${XDG_DATA_HOME:-$HOME/.local/share}/skua"
mkdir -p "$base" || exit 3
echo "base=$base"
echo "home=$HOME"
echo "release=$(uname -r)"
echo "machine=$(uname -m)"
for n in node nodejs /usr/local/bin/node /usr/bin/node /usr/bin/nodejs "$base"/node/*/bin/node; do
  p=$(command -v "$n" 2>/dev/null) && v=$("$p" -p process.versions.node 2>/dev/null) && echo "node=$v $p" && [ "\${v%%.*}" -ge ${String(OLDEST_NODE)} ] && break
done
exit 0`;

/** Throws `upload-failed` or `disk-full` when Skua's own folder cannot be made, `config-invalid` for a machine Skua cannot trace. */
export async function probeTarget(ssh: SshConnection, context: CoreContext): Promise<TargetFacts> {
  const result = await ssh.run(PROBE, { signal: context.signal });
  if (result.code !== 0) throw uploadError(ssh.alias, '~/.local/share/skua', result);
  const facts = parseFacts(result.stdout.toString('utf8'));
  if (facts.machine !== 'x86_64') {
    throw new SkuaError({
      code: 'config-invalid',
      message: `${ssh.alias} is a machine of type ${facts.machine}; Skua traces x86_64 Linux only.`,
      remedy: 'Choose another host, or the sandbox.',
    });
  }
  return facts;
}

/** Pure; `text` is the probe's output, one `name=value` a line. */
export function parseFacts(text: string): TargetFacts {
  const all = text.split('\n').map((line) => /^(\w+)=(.*)$/.exec(line));
  const one = (name: string): string => all.find((match) => match?.[1] === name)?.[2] ?? '';
  const node = all
    .filter((match) => match?.[1] === 'node')
    .map((match) => match?.[2]?.split(' ') ?? [])
    .find(([version]) => Number.parseInt(version ?? '0', 10) >= OLDEST_NODE)
    ?.slice(1)
    .join(' ');
  return {
    base: one('base'),
    home: one('home'),
    kernelRelease: one('release'),
    machine: one('machine'),
    ...(node === undefined ? {} : { node }),
  };
}
