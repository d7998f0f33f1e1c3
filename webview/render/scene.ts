/** Everything a frame depends on, gathered by the app: building a frame is a function of this and nothing else. */
import type { LossWindow } from '../../common/view/protocol';
import type { Layout } from '../layout/layout';
import type { Row, VisibleRows } from '../layout/rows';
import type { SpanTable } from '../store/span-table';
import type { TimeWindow } from '../view/viewport';

export type Selection =
  | { readonly kind: 'none' }
  | { readonly kind: 'span'; readonly index: number }
  /** Neighbours in a row, in order of start: at least two. */
  | { readonly kind: 'group'; readonly spans: readonly number[] }
  | { readonly kind: 'range'; readonly window: TimeWindow };

export interface Scene {
  readonly table: SpanTable;
  readonly layout: Layout;
  readonly visible: VisibleRows;
  readonly isCollapsed: (row: Row) => boolean;
  readonly window: TimeWindow;
  readonly scrollY: number;
  /** CSS px. */
  readonly width: number;
  readonly height: number;
  readonly labelWidth: number;
  /** Time up to which something is known: unfinished spans are drawn this far. */
  readonly edge: number;
  readonly running: boolean;
  readonly selection: Selection;
  /** Row under the mouse or with the keyboard's focus. */
  readonly hoverRow: Row | undefined;
  readonly focusRow: Row | undefined;
  /** With a search on: does the span match? The others are dimmed. */
  readonly highlight: ((i: number) => boolean) | undefined;
  readonly range: TimeWindow | undefined;
  readonly marks: readonly number[];
  readonly lossWindows: readonly LossWindow[];
  /** Zero of the ruler. */
  readonly origin: number;
}
