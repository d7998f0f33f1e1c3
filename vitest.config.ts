import { defineConfig } from 'vitest/config';

/** Unit tests run in parallel beside their source; the other projects own real machines, so their files run one after another. */
const serial = { pool: 'forks', fileParallelism: false, maxWorkers: 1, isolate: true } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{common,src,webview,remote-agent,tools}/**/*.test.ts', 'clients/node/**/*.test.ts'],
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
          testTimeout: 120_000,
          hookTimeout: 300_000,
          ...serial,
        },
      },
      {
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          globalSetup: 'test/vm/stopGuests.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          ...serial,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: 'test/vm/stopGuests.ts',
          testTimeout: 300_000,
          hookTimeout: 900_000,
          ...serial,
        },
      },
    ],
  },
});
