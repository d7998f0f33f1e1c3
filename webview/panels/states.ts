/** What is shown instead of spans: never an empty page, always the next step. */
import { plural } from '../../common/view/format';
import type { RunState } from '../../common/view/protocol';
import { button, progressRing } from '../controls';
import { el } from './dom';

export interface StateFacts {
  readonly state: RunState;
  readonly spans: number;
  readonly loading: { readonly have: number; readonly expected: number } | undefined;
  /** A filter that hides everything. */
  readonly nothingMatches: string | undefined;
}

export interface StateActions {
  readonly showLog: () => void;
  readonly clearFilter: () => void;
}

export interface StateView {
  readonly element: HTMLElement;
  readonly banner: HTMLElement;
  set(facts: StateFacts): void;
}

/** Given up by the person: nothing has gone wrong. */
export function isCancelled(state: RunState): boolean {
  return state.kind === 'failed' && state.error?.code === 'cancelled';
}

const STATE_NAMES: Readonly<Record<RunState['kind'], string>> = {
  preparing: 'Preparing',
  running: 'Live',
  ended: 'Ended',
  failed: 'Failed',
};

/** What the toolbar shows and a screen reader says. */
export function stateName(state: RunState): string {
  return isCancelled(state) ? 'Stopped' : STATE_NAMES[state.kind];
}

const list = (...items: string[]) => el('ul', {}, ...items.map((item) => el('li', {}, item)));

export function createStateView(actions: StateActions): StateView {
  const element = el('div', { class: 'state-page', hidden: true });
  const banner = el('div', { class: 'banner', role: 'alert', hidden: true });
  let shown = '';
  const page = (...children: (Node | string | undefined)[]) => el('div', { class: 'state-box' }, ...children);
  const log = () => button({ label: 'Show log', onClick: actions.showLog }).element;

  const content = (facts: StateFacts): HTMLElement | undefined => {
    const { state } = facts;
    if (facts.nothingMatches !== undefined) {
      return page(
        el('h2', {}, 'Nothing matches'),
        el('p', {}, `No span matches “${facts.nothingMatches}”, and everything else is hidden.`),
        button({ label: 'Clear search', kind: 'primary', onClick: actions.clearFilter }).element,
      );
    }
    if (facts.spans > 0) return undefined;
    if (facts.loading && facts.loading.expected > 0) {
      return page(
        progressRing(),
        el('h2', {}, 'Loading'),
        el('p', {}, plural(facts.loading.expected, 'span')),
      );
    }
    switch (state.kind) {
      case 'preparing':
        return page(
          progressRing(),
          el('h2', {}, 'Preparing'),
          el('p', {}, state.text),
          el(
            'p',
            { class: 'quiet' },
            'The first run on a target takes longest: modules are built and cached, later runs reuse them.',
          ),
        );
      case 'running':
        return page(
          el('h2', {}, 'Running, no spans yet'),
          el('p', {}, state.text),
          el(
            'p',
            {},
            'Spans appear as soon as the program does something inside a sampled trace. If nothing comes:',
          ),
          list(
            'Does the program start a span? Only threads with an active, sampled span are traced.',
            'Is the sampler “const” with parameter 1? With “probabilistic” most runs are not sampled.',
            'Does it report to the address in JAEGER_AGENT_HOST and JAEGER_AGENT_PORT, or OTEL_EXPORTER_OTLP_ENDPOINT? Skua sets them for the program.',
          ),
        );
      case 'ended':
        return page(
          el('h2', {}, 'No spans'),
          el('p', {}, state.text),
          list(
            'Check that the program uses one of Skua’s clients, or an OpenTelemetry SDK that publishes its thread context.',
            'Check the sampling: start with the “const” sampler and parameter 1.',
            'Run “Skua: Run Doctor…” to see whether the kernel modules are loaded.',
          ),
          log(),
        );
      case 'failed':
        return page(
          isCancelled(state)
            ? el('h2', {}, 'Stopped')
            : el(
                'h2',
                { class: 'error-text' },
                state.error?.code.startsWith('file-') === true
                  ? 'This trace cannot be shown'
                  : 'The session failed',
              ),
          el('p', {}, state.text),
          remedy(state),
          log(),
        );
    }
  };

  return {
    element,
    banner,
    set(facts) {
      const key = JSON.stringify([
        facts.state,
        facts.spans > 0,
        facts.loading?.expected,
        facts.nothingMatches,
      ]);
      if (key === shown) return;
      shown = key;
      const node = content(facts);
      element.hidden = node === undefined;
      element.replaceChildren(...(node ? [node] : []));
      const { state } = facts;
      banner.hidden = !(state.kind === 'failed' && facts.spans > 0);
      banner.replaceChildren(
        ...(state.kind === 'failed'
          ? [el('strong', {}, state.text), ' ', state.error?.remedy ?? '', log()]
          : []),
      );
    },
  };
}

function remedy(state: Extract<RunState, { kind: 'failed' }>): HTMLElement | undefined {
  const text = state.error?.remedy;
  return text === undefined || text === '' ? undefined : el('p', { class: 'remedy' }, text);
}
