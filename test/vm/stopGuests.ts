/** Runs after all files of this folder: no virtual machine of theirs keeps running. */
import { stopSandbox } from '../../src/core/sandbox/instance';
import { quietContext } from './guest';
import { GUESTS } from './instance';

export async function teardown(): Promise<void> {
  for (const name of GUESTS) await stopSandbox(name, quietContext());
}
