import { defineConfig } from 'vitest/config';
import { WORKERS } from './test/vm/instance';

/** What is waited for may take its time on a busy machine; the default is a second. */
const patience = { poll: { timeout: 20_000 } };
/** These own real machines, so their files run one after another. */
const serial = {
  pool: 'forks',
  fileParallelism: false,
  maxWorkers: 1,
  isolate: true,
  expect: patience,
} as const;
/** Each worker has virtual machines of its own. */
const inGuests = { pool: 'forks', maxWorkers: WORKERS, isolate: true, expect: patience } as const;

/** Not yet seen to pass from beginning to end, each time (docs/testing.md). Not part of `npm test`: a suite of its own until then. */
const PENDING = ['test/vm/debug-kernel.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{common,src,webview,remote-agent,tools}/**/*.test.ts', 'clients/node/**/*.test.ts'],
          globalSetup: 'test/ownTmp.ts',
          pool: 'threads',
          maxWorkers: 2,
          // Those that try thousands of random cases take long on a busy machine.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: 'test/ownTmp.ts',
          testTimeout: 120_000,
          hookTimeout: 300_000,
          ...serial,
        },
      },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          exclude: PENDING,
          globalSetup: 'test/vm/stopGuests.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          ...inGuests,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: PENDING,
          globalSetup: 'test/vm/stopGuests.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          ...serial,
        },
      },
      {
        test: {
          name: 'pending',
          include: PENDING,
          globalSetup: 'test/vm/stopGuests.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          ...inGuests,
        },
      },
    ],
  },
});
