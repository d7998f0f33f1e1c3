/** The line above the timeline: what is running, search, zoom, losses. */
import type { LossReport } from '../../common/model/loss';
import { causesIn, missingText } from '../../common/view/loss';
import type { RunState } from '../../common/view/protocol';
import { badge, button, dropdown, textField, type Button, type TextField } from '../controls';
import { el } from './dom';
import { isCancelled, stateName } from './states';

export interface ToolbarActions {
  readonly search: (query: string) => void;
  readonly nextMatch: (step: 1 | -1) => void;
  readonly leaveSearch: () => void;
  readonly toggleFilter: () => void;
  readonly zoom: (factor: number) => void;
  readonly fit: () => void;
  readonly toggleFollow: () => void;
  readonly togglePanel: () => void;
  readonly toggleMerge: () => void;
  readonly help: () => void;
  readonly exportTrace: () => void;
  readonly stop: () => void;
  readonly showLosses: () => void;
}

export interface Toolbar {
  readonly element: HTMLElement;
  setState(state: RunState): void;
  setCounts(text: string): void;
  setFollow(following: boolean): void;
  setFilter(on: boolean): void;
  setPanel(open: boolean): void;
  setMerged(merged: boolean): void;
  setSearch(query: string): void;
  /** `problem`: why the query cannot be run. */
  setMatches(status: { readonly text: string; readonly problem?: string }): void;
  setLoss(loss: LossReport): void;
  focusSearch(): void;
}

const ANY = 'any';
/** Durations offered for the filter: what one usually looks for. */
const DURATIONS: readonly (readonly [string, string])[] = [
  [ANY, 'Any duration'],
  ['>10us', '> 10 µs'],
  ['>100us', '> 100 µs'],
  ['>1ms', '> 1 ms'],
  ['>10ms', '> 10 ms'],
  ['>100ms', '> 100 ms'],
];

export function createToolbar(actions: ToolbarActions): Toolbar {
  const state = el('span', { class: 'run-state', role: 'status' });
  const counts = el('span', { class: 'counts' });
  const matches = el('span', { class: 'matches', 'aria-live': 'polite' });
  const search: TextField = textField({
    label: 'Search spans by name, argument, file or status; for example: write >1ms -is:error',
    placeholder: 'Search, e.g. openat >1ms is:error',
    onInput: (value) => {
      actions.search(value);
      duration.value = DURATIONS.find(([d]) => value.split(/\s+/).includes(d))?.[0] ?? ANY;
    },
    onKey: (event) => {
      if (event.key === 'Enter') actions.nextMatch(event.shiftKey ? -1 : 1);
      else if (event.key === 'Escape') actions.leaveSearch();
      else return;
      event.preventDefault();
    },
  });
  const duration = dropdown({
    label: 'Only spans of at least this duration',
    choices: DURATIONS,
    onChange: (value) => {
      const others = search.value.split(/\s+/).filter((word) => word !== '' && !/^[<>]/.test(word));
      const query = [...others, value].filter((word) => word !== ANY).join(' ');
      search.value = query;
      actions.search(query);
    },
  });
  duration.element.classList.add('duration');
  const icons: Record<string, Button> = {
    previous: button({
      label: 'Previous match (Shift+Enter)',
      icon: 'up',
      onClick: () => {
        actions.nextMatch(-1);
      },
    }),
    next: button({
      label: 'Next match (Enter)',
      icon: 'down',
      onClick: () => {
        actions.nextMatch(1);
      },
    }),
    filter: button({ label: 'Hide what does not match (H)', icon: 'filter', onClick: actions.toggleFilter }),
    zoomOut: button({
      label: 'Zoom out (S)',
      icon: 'zoomOut',
      onClick: () => {
        actions.zoom(1.6);
      },
    }),
    zoomIn: button({
      label: 'Zoom in (W)',
      icon: 'zoomIn',
      onClick: () => {
        actions.zoom(1 / 1.6);
      },
    }),
    fit: button({ label: 'Show the whole trace (0)', icon: 'fit', onClick: actions.fit }),
    follow: button({ label: 'Follow the live edge (Space)', icon: 'follow', onClick: actions.toggleFollow }),
    merge: button({ label: 'Merge similar traces (G)', icon: 'merge', onClick: actions.toggleMerge }),
    panel: button({ label: 'Show or hide details (Q)', icon: 'panel', onClick: actions.togglePanel }),
    export: button({ label: 'Export as OTLP JSON', icon: 'export', onClick: actions.exportTrace }),
    stop: button({ label: 'Stop the program and the session', icon: 'stop', onClick: actions.stop }),
    help: button({ label: 'Keyboard shortcuts (?)', icon: 'help', onClick: actions.help }),
  };
  const losses = el('button', { class: 'losses', type: 'button', hidden: true });
  losses.addEventListener('click', actions.showLosses);
  const get = (name: string): Button => icons[name] as Button;
  const group = (name: string, ...names: string[]) =>
    el('span', { class: `group ${name}` }, ...names.map((n) => get(n).element));
  const element = el(
    'header',
    { class: 'toolbar', role: 'toolbar', 'aria-label': 'Timeline' },
    el('span', { class: 'group status' }, state, get('stop').element, counts, losses),
    el(
      'span',
      { class: 'group find' },
      search.element,
      matches,
      get('previous').element,
      get('next').element,
      get('filter').element,
      duration.element,
    ),
    group('view', 'follow', 'zoomOut', 'zoomIn', 'fit', 'merge', 'panel', 'export', 'help'),
  );
  return {
    element,
    setState(run) {
      state.className = `run-state ${isCancelled(run) ? 'ended' : run.kind}`;
      state.textContent = stateName(run);
      state.title = run.text;
      get('stop').setVisible(run.kind === 'running' || run.kind === 'preparing');
      get('follow').setVisible(run.kind === 'running');
    },
    setCounts(text) {
      // Every frame comes here: the same text again would cost a layout.
      if (counts.textContent === text) return;
      counts.textContent = text;
      counts.title = text;
    },
    setFollow(following) {
      get('follow').setPressed(following);
    },
    setFilter(on) {
      get('filter').setPressed(on);
    },
    setMerged(merged) {
      get('merge').setPressed(merged);
    },
    setPanel(open) {
      get('panel').setPressed(open);
    },
    setSearch(query) {
      search.value = query;
    },
    setMatches(status) {
      matches.textContent = status.problem ?? status.text;
      matches.title = status.problem ?? '';
      matches.classList.toggle('problem', status.problem !== undefined);
    },
    setLoss(loss) {
      const missing = missingText(loss);
      losses.hidden = causesIn(loss).length === 0;
      losses.replaceChildren(badge('!'), missing === '' ? ' not complete' : ` lost: ${missing}`);
      losses.title = 'Show what was lost, and why.';
    },
    focusSearch() {
      search.focus();
    },
  };
}
