/** The command line of serve.mjs. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startServer } from './server';

export async function main(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      workspace: { type: 'string' },
      open: { type: 'string' },
      port: { type: 'string' },
      data: { type: 'string' },
    },
  });
  if (values.workspace === undefined || !existsSync(values.workspace)) {
    console.error('usage: node tools/editor/serve.mjs --workspace DIR [--open FILE] [--port N] [--data DIR]');
    process.exitCode = 2;
    return;
  }
  const workspace = path.resolve(values.workspace);
  const server = await startServer(
    {
      workspace,
      extension: 'checkout',
      ...(values.port === undefined ? {} : { port: Number(values.port) }),
      ...(values.data === undefined ? {} : { dataFolder: path.resolve(values.data) }),
    },
    (line) => console.error(line),
  );
  console.log(
    values.open === undefined
      ? server.workspaceUrl
      : `${server.workspaceUrl}&${openFile(server.url, path.resolve(values.open))}`,
  );
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await server.stop();
}

/** Asks the workbench to open a file of the server's machine when the page loads. */
export function openFile(serverUrl: string, file: string): string {
  const uri = `vscode-remote://${new URL(serverUrl).host}${file}`;
  return `payload=${encodeURIComponent(JSON.stringify([['openFile', uri]]))}`;
}
