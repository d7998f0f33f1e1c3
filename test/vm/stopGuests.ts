/** Around all files of a project: when they have ended, no virtual machine of theirs keeps running. */
import type { TestProject } from 'vitest/node';
import { stopSandbox } from '../../src/core/sandbox/instance';
import { quietContext } from './guest';
import { EDITOR_GUEST, VM_GUESTS } from './instance';

export default function setup(project: TestProject): () => Promise<void> {
  const guests = project.name === 'e2e' ? [EDITOR_GUEST] : VM_GUESTS;
  return async () => {
    for (const name of guests) await stopSandbox(name, quietContext());
  };
}
