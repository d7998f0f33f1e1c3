/** The line below: what the colours mean, and what is in view. */
import { CATEGORY_NAMES } from '../../common/view/flags';
import { el } from './dom';

const NAMES: Readonly<Record<string, string>> = {
  file: 'file',
  network: 'network',
  memory: 'memory',
  process: 'process',
  sync: 'wait',
  time: 'time',
  other: 'other',
};

/** The strip along a system call's bar. */
const STATES = [
  ['on-cpu', 'on CPU', 'In the strip on a system call: the thread was running'],
  ['runnable', 'runnable', 'In the strip on a system call: the thread waited for a CPU'],
  ['blocked', 'blocked', 'In the strip on a system call: the thread slept'],
] as const;

const NOTICE_MS = 6000;

export interface Footer {
  readonly element: HTMLElement;
  setInfo(text: string): void;
  /** Says something for a few seconds. */
  notice(text: string): void;
}

export function createFooter(filterByClass: (name: string) => void): Footer {
  const info = el('span', { class: 'info' });
  const legend = el('span', { class: 'legend', role: 'group', 'aria-label': 'Colours of system calls' });
  for (const name of CATEGORY_NAMES) {
    if (name === 'user') continue;
    const entry = el(
      'button',
      { type: 'button', class: 'legend-entry', title: `Search class:${name}` },
      el('span', { class: `swatch class-${name}` }),
      NAMES[name] ?? name,
    );
    entry.addEventListener('click', () => {
      filterByClass(name);
    });
    legend.append(entry);
  }
  legend.append(
    el('span', { class: 'legend-entry' }, el('span', { class: 'swatch user' }), 'span'),
    el('span', { class: 'legend-entry' }, el('span', { class: 'swatch error' }, '✕'), 'error'),
    el('span', { class: 'legend-entry' }, el('span', { class: 'swatch lost' }), 'lost'),
    ...STATES.map(([state, text, title]) =>
      el('span', { class: 'legend-entry', title }, el('span', { class: `swatch part ${state}` }), text),
    ),
  );
  let noticeTimer: ReturnType<typeof setTimeout> | undefined;
  const notice = el('span', { class: 'notice', hidden: true });
  return {
    element: el('footer', { class: 'footer' }, legend, notice, info),
    notice(text) {
      clearTimeout(noticeTimer);
      notice.textContent = text;
      notice.hidden = false;
      noticeTimer = setTimeout(() => {
        notice.hidden = true;
      }, NOTICE_MS);
    },
    setInfo(text) {
      if (info.textContent !== text) info.textContent = text;
    },
  };
}
