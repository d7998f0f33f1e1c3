/**
 * Entry of the agent on the target. `serve` (the default) speaks the protocol on stdin and stdout until stdin ends; `doctor`
 * prints what it finds for a person. Nothing but frames is ever written to stdout by `serve`.
 */
import { Host } from './host/host';
import { Agent } from './session/agent';
import { Connection } from './session/connection';

declare const SKUA_VERSION: string | undefined;
const VERSION = typeof SKUA_VERSION === 'string' ? SKUA_VERSION : 'dev';

async function serve(): Promise<number> {
  // A stray console.log in a dependency must not break the frames.
  globalThis.console = new console.Console(process.stderr, process.stderr);
  const connection = new Connection(process.stdin, process.stdout);
  const agent = new Agent(connection, VERSION);
  let failed = false;
  try {
    await connection.serve(agent.handlers, {
      input: (data) => {
        agent.input(data);
      },
      credit: (bytes) => {
        agent.credit(bytes);
      },
    });
  } catch (error) {
    failed = true;
    process.stderr.write(`skua agent: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  await agent.dispose();
  return failed ? 1 : 0;
}

async function doctor(): Promise<number> {
  const report = await new Host().doctor({});
  const lines = [`${report.hostname}: ${report.distribution}, Linux ${report.kernelRelease}, ${report.arch}`];
  for (const step of report.steps) {
    lines.push(`  ${step.state.padEnd(8)}${step.title}: ${step.found}`);
    if (step.remedy !== undefined) lines.push(`          ${step.remedy}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  return report.steps.some((step) => step.state === 'failed') ? 1 : 0;
}

function main(command: string): Promise<number> {
  switch (command) {
    case 'serve':
      return serve();
    case 'doctor':
      return doctor();
    case 'version':
      process.stdout.write(`${VERSION}\n`);
      return Promise.resolve(0);
    default:
      process.stderr.write('usage: agent.js [serve | doctor | version]\n');
      return Promise.resolve(2);
  }
}

for (const signal of ['SIGHUP', 'SIGTERM', 'SIGINT'] as const) {
  // The end of the input is what ends the agent in order; a signal makes it come now.
  process.on(signal, () => process.stdin.destroy());
}

main(process.argv[2] ?? 'serve').then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(
      `skua agent: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);
