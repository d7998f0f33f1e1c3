import { describe, expect, it } from 'vitest';
import { openSavedCtf } from '../../common/ctf/folder';
import type { CtfItem } from '../../common/ctf/types';
import { babeltraceLine } from './testing/babeltrace-text';
import { FIXTURE_NAMES, fixture } from './testing/fixtures';

/** Events of the same nanosecond may come in either order from two streams. */
function byTime(lines: readonly string[]): string[] {
  return [...lines].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/**
 * babeltrace2 2.0.4 prints a recorded empty string as whatever its recycled field object held before (the bytes in the stream
 * are a lone NUL, and the fields after it agree): an empty string of ours therefore matches any string of theirs.
 */
function same(ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  if (!ours.includes('= ""')) return false;
  const [first, ...rest] = ours.split('= ""').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${[first, ...rest].join('= "(?:[^"\\\\]|\\\\.)*"')}$`).test(theirs);
}

function seconds(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;
}

/** What babeltrace2 says about lost events and packets, without the names of trace and stream. */
function lossMessages(warnings: readonly string[]): string[] {
  return warnings
    .map((line) => /Tracer (?:may have )?discarded (.*) in trace/.exec(line)?.[1])
    .filter((message) => message !== undefined)
    .sort();
}

describe.each(FIXTURE_NAMES)('recorded trace "%s" against babeltrace2', (name) => {
  const { metadata, files, lines, warnings } = fixture(name);
  const saved = openSavedCtf(metadata, files);
  const items: CtfItem[] = [...saved.batches()].flat();
  const events = items.filter((item) => item.kind === 'event');
  const host = String(saved.trace.env.get('hostname'));

  it('has the same events with the same nanoseconds, contexts and fields', () => {
    const ours = events.map((event) =>
      babeltraceLine(event, host, saved.trace.streams.get(event.eventClass.streamId)?.eventContext),
    );
    expect(ours.length).toBe(lines.length);
    const [sortedOurs, sortedTheirs] = [byTime(ours), byTime(lines)];
    // One difference at a time: a diff of ten thousand lines helps nobody.
    const different = sortedOurs.findIndex((line, i) => !same(line, sortedTheirs[i] as string));
    expect(sortedOurs[different]).toBe(sortedTheirs[different]);
  });

  it('is in order of time', () => {
    const times = items.map((item) => (item.kind === 'event' ? item.timestampNs : item.beginNs));
    expect(times.findIndex((time, i) => i > 0 && time < (times[i - 1] as bigint))).toBe(-1);
  });

  it('has the same counts and times of lost events and packets', () => {
    const ours = items.flatMap((item) => {
      if (item.kind === 'event' || (item.kind === 'lost' && !item.exact)) return [];
      const what = `${item.kind === 'lost' ? 'event' : 'packet'}${item.count === 1 ? '' : 's'}`;
      return [`${item.count} ${what} between [${seconds(item.beginNs)}] and [${seconds(item.endNs)}]`];
    });
    expect(ours.sort()).toEqual(lossMessages(warnings));
  });
});

describe('the recorded traces', () => {
  it('contain what they were recorded for', () => {
    const kinds = (name: string): Set<string> => {
      const { metadata, files } = fixture(name);
      return new Set([...openSavedCtf(metadata, files).batches()].flat().map((item) => item.kind));
    };
    expect(kinds('overflow')).toContain('lost');
    expect(kinds('overwrite')).toContain('lost-packets');
    const mixed = openSavedCtf(fixture('mixed').metadata, fixture('mixed').files);
    const names = new Set(
      [...mixed.batches()].flat().map((item) => (item.kind === 'event' ? item.name : '')),
    );
    // Bit fields, variants, big-endian numbers, sequences of structures, call stacks, both event headers.
    for (const name of [
      'net_dev_queue',
      'syscall_exit_poll',
      'sched_switch',
      'signal_generate',
      'block_rq_issue',
    ]) {
      expect(names).toContain(name);
    }
  });
});
