import { expect, it } from 'vitest';
import { defaultReleases, insertTable, keptLines, renderTable } from './table';

it('chooses the ends of each series, by number and not by letter', () => {
  const names = [
    '6.1.0-9-cloud-amd64',
    '6.1.0-56-cloud-amd64',
    '6.1.0-47-cloud-amd64',
    '6.1.0-56-amd64',
    '6.1.0-9-rt-amd64',
  ]
    .concat([
      '6.12.100+deb12-amd64',
      '6.12.99+deb12-amd64',
      '6.12.100+deb12-cloud-amd64',
      '6.12.9+deb12-rt-amd64',
    ])
    .concat(['6.1.0-56-amd64-dbg', '6.12-amd64', '6.1.0-60-cloud-amd64-unsigned'])
    .map((release) => `linux-image-${release}`);
  expect(defaultReleases(names.join('\n'))).toEqual([
    '6.1.0-9-cloud-amd64',
    '6.1.0-56-cloud-amd64',
    '6.1.0-56-amd64',
    '6.1.0-9-rt-amd64',
    '6.12.100+deb12-cloud-amd64',
    '6.12.100+deb12-amd64',
  ]);
  expect(defaultReleases('')).toEqual([]);
});

it('replaces the table between its marks, and nothing else', () => {
  const row = {
    release: '6.1',
    package: 'p',
    build: '30 modules',
    load: 'yes',
    trace: 'all',
    log: 'clean',
    note: 'a|b',
  };
  const table = renderTable([row], '2026-01-02');
  expect(table).toContain('| `6.1` | p | 30 modules | yes | all | clean | a\\|b |');
  const document = 'before <!-- kernel-matrix: begin --> old <!-- kernel-matrix: end --> after';
  const once = insertTable(document, table);
  expect(once).toMatch(/^before .*begin -->\n\nTried by .*2026-01-02/);
  expect(once).toMatch(/end --> after$/);
  expect(insertTable(once, table)).toBe(once);
  // Another kernel is added, the same one replaced.
  expect(keptLines(once, ['6.1'])).toEqual([]);
  const both = insertTable(
    once,
    renderTable([{ ...row, release: '6.12' }], '2026-01-03', keptLines(once, ['6.12'])),
  );
  expect(keptLines(both, [])).toEqual([
    '| `6.1` | p | 30 modules | yes | all | clean | a\\|b |',
    '| `6.12` | p | 30 modules | yes | all | clean | a\\|b |',
  ]);
  expect(() => insertTable('nothing', table)).toThrow(/begin/);
});
