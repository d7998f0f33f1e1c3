import type { CoreContext } from '../../src/core/api';

/** Nobody is asked anything: the sandbox is Skua's own. */
export function quietContext(): CoreContext {
  return {
    signal: new AbortController().signal,
    progress: { report: () => undefined },
    log: () => undefined,
    prompter: {
      confirmHostKey: () => Promise.resolve(false),
      password: () => Promise.resolve(undefined),
      confirmPrepare: () => Promise.resolve(true),
    },
  };
}
