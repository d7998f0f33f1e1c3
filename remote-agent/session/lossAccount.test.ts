import { describe, expect, it } from 'vitest';
import { settled } from '../../common/model/loss';
import { parseAccount } from '../../common/model/kernelAccount';
import { lossReport, type LossSources } from './lossAccount';

const SOURCES: LossSources = {
  account: { running: false, events: 230, entries: 110, exits: 109, control: 8, lost: 20 },
  troubles: { unreadable: 1, refused: 2, missed: 3 },
  counts: {
    spans: 90,
    unfinished: 4,
    control: 8,
    entryLost: 3,
    exitLost: 4,
    spanEvents: 5,
    events: 190,
    ringBuffer: 15,
    packetsMissing: 1,
    foreign: 0,
  },
  leftOut: { spanEvents: 5, stacks: 6 },
  own: { events: 10, syscalls: 2 },
  dropped: { syscalls: 7, user: 8 },
  exported: 9,
  rejected: 10,
  receiverFull: 11,
  ended: true,
};

describe('lossReport', () => {
  it('balances events and system calls when the session has ended', () => {
    const loss = lossReport(SOURCES);
    expect(loss).toEqual({
      eventsOffered: 230,
      eventsDecoded: 200,
      issued: 100,
      ownSyscalls: 2,
      ringBuffer: 20, // The kernel knows more than the packets that came.
      stream: 10,
      packetsMissing: 1,
      entryLost: 3,
      bothLost: 7,
      exitLost: 4,
      spanEvents: 5,
      stacks: 6,
      ssh: 7,
      sshUser: 8,
      store: 0,
      storeUser: 0,
      export: 9,
      receiver: 10,
      receiverFull: 11,
      kernelUnreadable: 1,
      kernelRefused: 2,
      kernelMissed: 3,
      unexplained: 0,
    });
    expect(loss.eventsDecoded + loss.ringBuffer + loss.stream).toBe(loss.eventsOffered);
  });

  it('calls nothing lost that may still be on its way', () => {
    const account = { running: true, events: 230, entries: 110, exits: 109, control: 8, lost: 20 };
    const loss = lossReport({ ...SOURCES, account, ended: false });
    expect(loss).toMatchObject({ issued: 100, ringBuffer: 15, stream: 0, bothLost: 0, unexplained: 0 });
  });

  it('claims nothing that only the kernel could know', () => {
    const loss = lossReport({ ...SOURCES, account: undefined });
    expect(loss).toMatchObject({ eventsOffered: 0, issued: 0, ringBuffer: 15, stream: 0, bothLost: 0 });
    expect(settled(loss, { syscalls: 1, refusedSyscalls: 0, refusedUser: 0 }).unexplained).toBe(0);
  });
});

describe('settled', () => {
  it('adds what the client refused, and says how much nobody can explain', () => {
    const loss = lossReport(SOURCES);
    // 90 spans left the builder: 7 were dropped on the way, 3 refused here, 78 arrived; 2 went with the agent.
    expect(settled(loss, { syscalls: 78, refusedSyscalls: 3, refusedUser: 4 })).toMatchObject({
      store: 3,
      storeUser: 4,
      unexplained: 2,
    });
    expect(settled(loss, { syscalls: 80, refusedSyscalls: 3, refusedUser: 4 }).unexplained).toBe(0);
  });
});

describe('parseAccount', () => {
  const text = `generation state events recorded entries exits control name
2 stopped 12 12 4 3 1 skua-a
35 running 230 210 110 109 8 skua-b
34 stopped 5 4 3 2 1 skua-b
4 stopped 1 1 1 0 0 skua-b\\040c
`;

  it('takes the newest recording of the session', () => {
    expect(parseAccount(text, 'skua-b')).toEqual({
      running: true,
      events: 230,
      entries: 110,
      exits: 109,
      control: 8,
      lost: 20,
    });
    expect(parseAccount(text, 'skua-a')?.running).toBe(false);
    expect(parseAccount(text, 'skua-c')).toBeUndefined();
    expect(parseAccount('', 'skua-a')).toBeUndefined();
  });
});
