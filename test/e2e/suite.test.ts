import { describe, expect, it } from 'vitest';
import { runSuite } from './runner';

describe('extension host', () => {
  it.each([{ trusted: true }, { trusted: false }])('mocha suite, trusted: $trusted', async ({ trusted }) => {
    const { exitCode, output } = await runSuite({ trusted });
    console.log(output);
    expect(output).toMatch(/\d+ passing/);
    expect(exitCode, output).toBe(0);
  });
});
