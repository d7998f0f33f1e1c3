/** Names of recorded traces. Pure, so that the rule which traces are deleted by themselves can be tested. */

const AUTOMATIC = /^\d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d /;

/** `2026-01-31 14.05.09 Run my program.skua`, local time: sorts by age and says what it is. */
export function automaticName(title: string, at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}`;
  return `${date} ${time} ${fileName(title) || 'trace'}.skua`;
}

/** A title without what file systems refuse, at most 80 characters. */
export function fileName(title: string): string {
  return title
    .replace(/[\p{Cc}/\\:*?"<>|]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '')
    .slice(0, 80)
    .trim();
}

/** Title without date and extension. */
export function titleOf(name: string): string {
  return name.replace(/\.skua$/, '').replace(AUTOMATIC, '');
}

/** Automatically named traces beyond the limit, oldest first. Traces that a person has named are never among them. */
export function surplus(names: readonly string[], limit: number): readonly string[] {
  const automatic = names.filter((name) => AUTOMATIC.test(name)).sort();
  return automatic.slice(0, Math.max(0, automatic.length - limit));
}
