import { describe, expect, it } from 'vitest';
import { SpanTable } from '../store/span-table';
import { SPAN_FLAG } from '../../common/view/flags';
import { random } from '../dev/generate';
import { MIXED, Track } from './track';

/** A track of n random spans that follow each other, as the table and track would have them. */
function makeTrack(n: number, seed: number, build: 'append' | 'refresh' = 'append') {
  const rand = random(seed);
  const table = new SpanTable();
  table.start = new Float64Array(n);
  table.duration = new Float64Array(n);
  table.flags = new Uint8Array(n);
  table.name = new Uint32Array(n);
  table.size = n;
  const times = { start: (i: number) => table.start[i] as number, end: (i: number) => table.end(i) };
  const track = new Track(table, times);
  let at = 0;
  for (let i = 0; i < n; i++) {
    at += rand() < 0.1 ? rand() * 5000 : rand() * 20;
    table.start[i] = at;
    const duration = rand() < 0.02 ? rand() * 2000 : rand() * 15;
    table.duration[i] = build === 'refresh' ? NaN : duration;
    table.flags[i] = rand() < 0.01 ? SPAN_FLAG.error : 0;
    table.name[i] = Math.floor(at / 3000);
    track.append(i);
    if (build === 'refresh') {
      table.duration[i] = duration;
      track.refresh(i, NaN);
    }
    at += duration;
  }
  return { table, track, end: at };
}

interface Shown {
  readonly spans: number[];
  readonly blocks: {
    first: number;
    last: number;
    longest: number;
    flags: number;
    name: number;
    width: number;
  }[];
  visits: number;
}

function visit(track: Track, from: number, to: number, pixel: number): Shown {
  const shown: Shown = { spans: [], blocks: [], visits: 0 };
  track.visit(from, to, pixel, {
    span: (position) => {
      shown.visits += 1;
      shown.spans.push(position);
    },
    block: (first, last, start, end, longest, flags, name) => {
      shown.visits += 1;
      shown.blocks.push({ first, last, longest, flags, name, width: end - start });
    },
  });
  return shown;
}

describe('Track', () => {
  it.each([0, 1, 15, 16, 17, 64, 65, 66, 1000, 4097, 9000])(
    'shows %i spans exactly as a search through all of them would',
    (n) => {
      for (const build of ['append', 'refresh'] as const) {
        const { track, table, end } = makeTrack(n, n + 3, build);
        const rand = random(n);
        for (let round = 0; round < 12; round++) {
          const from = rand() * end - 10;
          const to = from + Math.pow(rand(), 4) * end;
          const pixel = round === 0 ? 0 : ((to - from) / 1000) * rand() * 2;
          const shown = visit(track, from, to, pixel);
          const covered = new Set(shown.spans);
          const overlaps = (i: number) => (table.start[i] as number) <= to && table.end(i) >= from;
          for (const block of shown.blocks) {
            expect(block.width).toBeLessThan(pixel);
            let longest = block.first;
            let flags = 0;
            let name = table.name[track.spans[block.first] as number] as number;
            for (let p = block.first; p <= block.last; p++) {
              covered.add(p);
              const i = track.spans[p] as number;
              if ((table.duration[i] as number) > (table.duration[track.spans[longest] as number] as number))
                longest = p;
              flags |= table.flags[i] as number;
              if (table.name[i] !== name) name = MIXED;
            }
            expect([table.duration[block.longest], block.flags, block.name]).toEqual([
              table.duration[track.spans[longest] as number],
              flags,
              name,
            ]);
          }
          const missing: number[] = [];
          for (let p = 0; p < n; p++) {
            if (overlaps(track.spans[p] as number) && !covered.has(p)) missing.push(p);
          }
          expect(missing).toEqual([]);
          expect(shown.spans.filter((p) => !overlaps(track.spans[p] as number))).toEqual([]);
        }
      }
    },
  );

  it('costs no more than the screen is wide, whatever the number of spans', () => {
    const { track, end } = makeTrack(200_000, 5);
    const PIXELS = 1500;
    expect(visit(track, 0, end, end / PIXELS).visits).toBeLessThan(PIXELS * 17);
  });

  it('finds positions, also among spans with the same start', () => {
    const { track, table } = makeTrack(300, 9);
    table.start[100] = table.start[101] = table.start[102] as number;
    for (const i of [0, 100, 101, 102, 299]) expect(track.positionOf(i)).toBe(i);
  });

  it('knows its last end and total while spans are unfinished and when they end', () => {
    const { track, table } = makeTrack(80, 2);
    const total = track.totalDuration;
    const before = table.duration[79] as number;
    table.duration[79] = NaN;
    track.refresh(79, before);
    expect(track.lastEnd).toBe(Infinity);
    expect(track.totalDuration).toBeCloseTo(total - before);
    table.duration[79] = before + 5;
    track.refresh(79, NaN);
    expect(track.lastEnd).toBeCloseTo((table.start[79] as number) + before + 5);
    expect(track.totalDuration).toBeCloseTo(total + 5);
  });
});
