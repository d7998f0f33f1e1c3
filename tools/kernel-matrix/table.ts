/** What is tried, and how it is shown. Pure. */

export interface Row {
  readonly release: string;
  readonly package: string;
  readonly build: string;
  readonly load: string;
  readonly trace: string;
  /** What the kernel complained about. */
  readonly log: string;
  readonly note: string;
}

/**
 * Of the names of packages that the archive has: the oldest and the newest cloud kernel of 6.1, the newest plain one and the newest
 * with PREEMPT_RT, and the newest cloud and plain kernels of 6.12.
 */
export function defaultReleases(packageNames: string): readonly string[] {
  const releases = packageNames
    .split('\n')
    .map((name) => /^linux-image-(6\.(?:1\.0-\d+|12\.\d+\+deb12)-(?:cloud-|rt-)?amd64)$/.exec(name)?.[1])
    .filter((release) => release !== undefined)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const of = (series: string, flavour: string): string[] =>
    releases.filter(
      (r) => r.startsWith(`${series}.`) && r.replace(/^[\d.]+(?:-\d+|\+deb12)/, '') === flavour,
    );
  return [
    ...new Set([
      of('6.1', '-cloud-amd64')[0],
      of('6.1', '-cloud-amd64').at(-1),
      of('6.1', '-amd64').at(-1),
      of('6.1', '-rt-amd64').at(-1),
      of('6.12', '-cloud-amd64').at(-1),
      of('6.12', '-amd64').at(-1),
    ]),
  ].filter((release) => release !== undefined);
}

const BEGIN = '<!-- kernel-matrix: begin -->';
const END = '<!-- kernel-matrix: end -->';

/** `kept`: lines of kernels that were tried before, see keptLines. */
export function renderTable(rows: readonly Row[], date: string, kept: readonly string[] = []): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    `Tried by \`npx tsx tools/kernel-matrix.ts\`, in the sandbox's emulated machine, last on ${date}.`,
    '',
    line(['kernel', 'package', 'modules built', 'loaded', 'traced', 'kernel log', 'note']),
    line(Array.from({ length: 7 }, () => '---')),
    ...kept,
    ...rows.map((r) => line([`\`${r.release}\``, r.package, r.build, r.load, r.trace, r.log, r.note])),
    '',
  ].join('\n');
}

/** Of the document's table, the lines of kernels that are not tried now. */
export function keptLines(document: string, releases: readonly string[]): readonly string[] {
  return document
    .slice(document.indexOf(BEGIN), document.indexOf(END))
    .split('\n')
    .filter((line) => {
      const release = /^\| `([^`]+)`/.exec(line)?.[1];
      return release !== undefined && !releases.includes(release);
    });
}

/** The document with the table between its two marks replaced. Throws when it lacks them. */
export function insertTable(document: string, table: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document has no ${BEGIN} … ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${table}\n${document.slice(end)}`;
}
