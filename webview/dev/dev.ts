/**
 * Stands in for VS Code on the development page: acquireVsCodeApi, a theme and a host with made-up (or given) spans. The address says what:
 *   ?theme=dark|light|hc|hc-light  &data=demo|live|columns|none  &traces=12  &spans=1000000  &state=preparing|running|ended|failed  &lost=1
 */
import type { Span } from '../../common/model/span';
import { NO_LOSS } from '../../common/model/loss';
import { TimelineHost, type TimelineActions } from '../../common/view/host';
import {
  asWebviewMessage,
  type HostToWebview,
  type RunState,
  type WebviewToHost,
} from '../../common/view/protocol';
import { SpanStore } from '../../common/view/store';
import { demoSpans, millionColumns } from './generate';
import { applyTheme, type ThemeName } from './themes';

const parameters = new URLSearchParams(location.search);
const option = (name: string, otherwise: string) => parameters.get(name) ?? otherwise;

/** What the webview has told its host: tests read it. */
const received: WebviewToHost[] = [];
const STATE_KEY = 'skua-dev-state';

const post = (message: HostToWebview) => {
  window.postMessage(message, '*');
};
let receive: (message: unknown) => void = () => undefined;

Object.assign(window, {
  acquireVsCodeApi: () => ({
    postMessage(message: unknown) {
      const known = asWebviewMessage(message);
      if (known) received.push(known);
      setTimeout(() => {
        receive(message);
      });
    },
    getState: () => JSON.parse(sessionStorage.getItem(STATE_KEY) ?? 'null') as unknown,
    setState(state: unknown) {
      sessionStorage.setItem(STATE_KEY, JSON.stringify(state));
    },
  }),
  skuaDev: {
    received,
    post,
    theme: applyTheme,
    upsert: (_spans: readonly Span[]) => 0,
    setState: (_state: RunState) => undefined,
  },
});

const actions: TimelineActions = {
  openSource: (location, how) => {
    console.info('openSource', JSON.stringify({ location, how }));
  },
  sourceUnknown: (reason) => {
    console.info('sourceUnknown', reason);
  },
  pickSource: (location) => {
    console.info('pickSource', JSON.stringify(location));
  },
  copy: (text, what) => {
    console.info('copy', what, text);
  },
  exportTrace: () => {
    console.info('export');
  },
  stop: () => {
    console.info('stop');
  },
  showLog: () => {
    console.info('showLog');
  },
  focusChanged: () => undefined,
  selectionChanged: () => undefined,
  problem: (message, detail) => {
    console.error('problem', message, detail);
  },
};

const STATES: Readonly<Record<string, RunState>> = {
  preparing: { kind: 'preparing', text: 'Building the kernel modules for 6.1.0-56-cloud-amd64 (2 of 5)' },
  running: { kind: 'running', text: '/home/dev/orders/build/orders on sandbox' },
  ended: { kind: 'ended', text: 'The program ended with exit code 0.' },
  failed: {
    kind: 'failed',
    text: 'The kernel refused the module lttng-tracer: key was rejected by service.',
    error: {
      code: 'secure-boot',
      message: 'Secure boot is on and the modules are not signed with an enrolled key.',
      remedy:
        'Enrol a machine owner key with "mokutil --import", reboot, then run again; or turn secure boot off on this host.',
    },
  },
};

function begin(): void {
  applyTheme(option('theme', 'dark') as ThemeName);
  const data = option('data', 'demo');
  if (data === 'columns') beginColumns(Number(option('spans', '100000')));
  else beginStore(data);
}

function beginStore(data: string): void {
  const store = new SpanStore();
  const host = new TimelineHost({
    store,
    title: 'orders',
    post,
    schedule: (run, delay) => {
      const timer = setTimeout(run, delay);
      return {
        dispose: () => {
          clearTimeout(timer);
        },
      };
    },
    actions,
    resolveSource: (file) =>
      Promise.resolve(file.startsWith('/home/dev/') ? file.replace('/home/dev', '/work') : undefined),
    persist: { run: 'dev' },
  });
  receive = (message) => {
    host.receive(message);
  };
  host.setState(STATES[option('state', data === 'live' ? 'running' : 'ended')] as RunState);
  if (option('lost', '') !== '') host.setLoss({ ...NO_LOSS, eventsDecoded: 120_211, ringBuffer: 14, ssh: 3 });
  Object.assign((window as unknown as { skuaDev: object }).skuaDev, {
    upsert: (spans: readonly Span[]) => store.upsert(spans),
    setState: (state: RunState) => {
      host.setState(state);
    },
    host,
  });
  const spans =
    data === 'none'
      ? []
      : demoSpans({ traces: Number(option('traces', '12')), worksPerTrace: Number(option('works', '6')) });
  if (data !== 'live') {
    store.upsert(spans);
    return;
  }
  let at = 0;
  const feed = () => {
    store.upsert(spans.slice(at, at + 9));
    at += 9;
    if (at < spans.length) setTimeout(feed, 30);
    else host.setState(STATES['ended'] as RunState);
  };
  setTimeout(feed, 300);
}

/** Columns without a model behind: for measuring with millions. */
function beginColumns(count: number): void {
  const deltas = millionColumns(count);
  let seq = 0;
  let applied = 0;
  const send = () => {
    while (seq - applied < 3) {
      const next = deltas.next();
      if (next.done === true) return;
      seq += 1;
      post({ type: 'columns', seq, epochNs: '1790000000000000000', delta: next.value });
    }
  };
  receive = (message) => {
    const known = asWebviewMessage(message);
    if (known?.type === 'ready') {
      post({
        type: 'init',
        version: 1,
        title: 'columns',
        settings: { openSourceOnClick: true },
        epochNs: '1790000000000000000',
        expectedSpans: count,
        persist: null,
      });
      post({ type: 'state', state: STATES['ended'] as RunState });
      send();
    } else if (known?.type === 'applied') {
      applied = known.seq;
      send();
    }
  };
}

begin();
