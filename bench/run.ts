/** One command for each benchmark of kernel tracing; see bench/README.md. */
import { benchAgent } from './agent';
import { benchCallSites } from './callsites';
import { benchCost } from './cost';
import { benchLatency } from './latency';
import { benchWeb } from './web';
import { profile } from './profile';
import { writeTables } from './report';
import type { GuestKind } from './lab/guest';

const USAGE =
  'usage: tsx bench/run.ts agent|cost|callsites|web|latency [--time|--instructions] [--quick] | profile [plain|context|spans|web] | report\n';

async function main(args: readonly string[]): Promise<number> {
  const [name, ...flags] = args;
  const quick = flags.includes('--quick');
  const one = (['time', 'instructions'] as const).filter((kind) => flags.includes(`--${kind}`));
  const kinds: readonly GuestKind[] = one.length > 0 ? one : ['instructions', 'time'];
  switch (name) {
    case 'cost':
      await benchCost({ kinds, quick });
      return 0;
    case 'callsites':
      await benchCallSites({ kinds, quick });
      return 0;
    case 'web':
      await benchWeb({ kinds, quick });
      return 0;
    case 'agent':
      await benchAgent({ quick });
      return 0;
    case 'latency':
      await benchLatency({ quick });
      return 0;
    case 'profile':
      await profile(flags[0] ?? 'context');
      return 0;
    case 'report':
      writeTables();
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
