/** What survives when a hidden webview is thrown away, or the window is reloaded. */
import type { TimeWindow } from './view/viewport';

export interface ViewState {
  readonly version: 1;
  /** Identity of the trace the offsets belong to. */
  readonly epochNs: string;
  readonly window: TimeWindow | null;
  readonly scrollY: number;
  readonly selected: number | null;
  readonly range: TimeWindow | null;
  readonly marks: readonly number[];
  readonly collapsed: readonly string[];
  readonly allCollapsed: boolean;
  /** Similar traces merged; null while the user has not chosen. */
  readonly merged: boolean | null;
  readonly query: string;
  readonly hideOthers: boolean;
  readonly labelWidth: number;
  readonly panelHeight: number;
  readonly panelOpen: boolean;
}

const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function windowOf(value: unknown): TimeWindow | null {
  if (typeof value !== 'object' || value === null) return null;
  const { from, to } = value as Partial<Record<string, unknown>>;
  return finite(from) && finite(to) && to > from ? { from, to } : null;
}

/** Reads a saved state; whatever is missing or malformed falls back, a state of another version is ignored. */
export function readViewState(saved: unknown): ViewState | undefined {
  if (typeof saved !== 'object' || saved === null) return undefined;
  const s = saved as Partial<Record<keyof ViewState, unknown>>;
  if (s.version !== 1) return undefined;
  const numbers = (value: unknown) => (Array.isArray(value) ? value.filter(finite) : []);
  const strings = (value: unknown) =>
    Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [];
  return {
    version: 1,
    epochNs: typeof s.epochNs === 'string' ? s.epochNs : '',
    window: windowOf(s.window),
    scrollY: finite(s.scrollY) ? Math.max(0, s.scrollY) : 0,
    selected: finite(s.selected) ? s.selected : null,
    range: windowOf(s.range),
    marks: numbers(s.marks),
    collapsed: strings(s.collapsed),
    allCollapsed: s.allCollapsed === true,
    merged: typeof s.merged === 'boolean' ? s.merged : null,
    query: typeof s.query === 'string' ? s.query : '',
    hideOthers: s.hideOthers === true,
    labelWidth: finite(s.labelWidth) ? s.labelWidth : 0,
    panelHeight: finite(s.panelHeight) ? s.panelHeight : 0,
    panelOpen: s.panelOpen !== false,
  };
}
