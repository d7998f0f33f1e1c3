/**
 * The timeline as a table that screen readers can walk: a treegrid of traces and spans, linked with the selection both ways. Only the
 * rows in view exist in the document.
 */
import { SPAN_FLAG } from '../../common/view/flags';
import { formatDuration, plural } from '../../common/view/format';
import type { Model } from '../model';
import { el } from '../panels/dom';
import { waitingText } from '../panels/waiting-view';

const ROW_HEIGHT = 22;
const COLUMNS = ['Name', 'Duration', 'Start', 'Status', 'Thread', 'Source', 'Waited'] as const;

interface Node {
  readonly trace: number;
  /** -1 for the trace itself. */
  readonly span: number;
  readonly level: number;
  readonly children: boolean;
}

export interface TreeTableActions {
  readonly select: (span: number) => void;
  readonly openSource: (span: number, toSide: boolean) => void;
}

export class TreeTable {
  readonly element: HTMLElement;
  private readonly body = el('div', { class: 'tree-body', role: 'presentation' });
  private readonly rows = el('div', { class: 'tree-rows', role: 'rowgroup' });
  private readonly expandedTraces = new Set<number>();
  private readonly expandedSpans = new Set<number>();
  private nodes: Node[] = [];
  private at = 0;

  constructor(
    private readonly model: Model,
    private readonly actions: TreeTableActions,
  ) {
    this.element = el('div', {
      class: 'tree',
      role: 'treegrid',
      tabindex: '0',
      'aria-label': 'Spans',
      'aria-colcount': COLUMNS.length,
      'aria-readonly': 'true',
    });
    const head = el(
      'div',
      { class: 'tree-head', role: 'row' },
      ...COLUMNS.map((c) => el('span', { role: 'columnheader' }, c)),
    );
    this.body.append(this.rows);
    this.element.append(head, this.body);
    this.element.addEventListener('scroll', () => {
      this.render();
    });
    this.element.addEventListener('keydown', (event) => {
      if (this.key(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    this.rows.addEventListener('click', (event) => {
      const row = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
      if (!row) return;
      this.at = Number(row.dataset['at']);
      if ((event.target as HTMLElement).classList.contains('tree-twisty')) this.toggle(this.at);
      else this.choose();
    });
  }

  /** Row texts of the nodes in view and around, for tests. */
  get length(): number {
    return this.nodes.length;
  }

  /** Reads the model again; keeps the place. */
  refresh(): void {
    const { layout } = this.model;
    const current = this.nodes[this.at];
    const nodes: Node[] = [];
    const addSpan = (span: number, trace: number, level: number) => {
      const first = layout.firstChildOf(span);
      nodes.push({ trace, span, level, children: first >= 0 });
      if (first < 0 || !this.expandedSpans.has(span)) return;
      for (const child of layout.childrenOf(span)) addSpan(child, trace, level + 1);
    };
    for (const trace of layout.tracesInOrder()) {
      nodes.push({ trace, span: -1, level: 1, children: true });
      if (this.expandedTraces.has(trace)) for (const root of layout.rootsOf(trace)) addSpan(root, trace, 2);
    }
    this.nodes = nodes;
    const same = current
      ? nodes.findIndex((node) => node.trace === current.trace && node.span === current.span)
      : -1;
    this.at = same >= 0 ? same : Math.min(this.at, Math.max(0, nodes.length - 1));
    this.element.setAttribute('aria-rowcount', String(nodes.length + 1));
    this.body.style.height = `${nodes.length * ROW_HEIGHT}px`;
    this.render();
  }

  /** Follows the selection of the timeline. */
  reveal(span: number): void {
    const { table } = this.model;
    this.expandedTraces.add(table.trace[span] as number);
    for (let at = table.parent[span] as number; at >= 0; at = table.parent[at] as number)
      this.expandedSpans.add(at);
    this.refresh();
    const found = this.nodes.findIndex((node) => node.span === span);
    if (found >= 0) this.moveTo(found);
  }

  private key(event: KeyboardEvent): boolean {
    const node = this.nodes[this.at];
    if (!node || event.ctrlKey || event.metaKey) return false;
    const expanded = this.isExpanded(node);
    switch (event.key) {
      case 'ArrowDown':
        this.moveTo(this.at + 1, true);
        return true;
      case 'ArrowUp':
        this.moveTo(this.at - 1, true);
        return true;
      case 'PageDown':
        this.moveTo(this.at + this.pageRows(), true);
        return true;
      case 'PageUp':
        this.moveTo(this.at - this.pageRows(), true);
        return true;
      case 'Home':
        this.moveTo(0, true);
        return true;
      case 'End':
        this.moveTo(this.nodes.length - 1, true);
        return true;
      case 'ArrowRight':
        if (node.children && !expanded) this.toggle(this.at);
        else if (node.children) this.moveTo(this.at + 1, true);
        return true;
      case 'ArrowLeft':
        if (node.children && expanded) this.toggle(this.at);
        else this.moveTo(this.parentOf(this.at), true);
        return true;
      case 'Enter':
        if (node.span >= 0) this.actions.openSource(node.span, event.altKey);
        else this.toggle(this.at);
        return true;
      case ' ':
        this.toggle(this.at);
        return true;
      default:
        return false;
    }
  }

  private pageRows(): number {
    return Math.max(1, Math.floor(this.element.clientHeight / ROW_HEIGHT) - 2);
  }

  private parentOf(at: number): number {
    const level = this.nodes[at]?.level ?? 1;
    for (let up = at - 1; up >= 0; up--) if ((this.nodes[up]?.level ?? 1) < level) return up;
    return at;
  }

  private isExpanded(node: Node): boolean {
    return node.span < 0 ? this.expandedTraces.has(node.trace) : this.expandedSpans.has(node.span);
  }

  private toggle(at: number): void {
    const node = this.nodes[at];
    if (!node?.children) return;
    const set = node.span < 0 ? this.expandedTraces : this.expandedSpans;
    const id = node.span < 0 ? node.trace : node.span;
    if (!set.delete(id)) set.add(id);
    this.refresh();
  }

  private choose(): void {
    const node = this.nodes[this.at];
    this.render();
    if (node && node.span >= 0) this.actions.select(node.span);
  }

  private moveTo(at: number, select = false): void {
    if (this.nodes.length === 0) return;
    this.at = Math.max(0, Math.min(at, this.nodes.length - 1));
    const top = this.at * ROW_HEIGHT;
    const room = this.element.clientHeight - ROW_HEIGHT * 2;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top > this.element.scrollTop + room) this.element.scrollTop = top - room;
    this.render();
    if (select) this.choose();
  }

  private render(): void {
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW_HEIGHT) - 4);
    const last = Math.min(
      this.nodes.length,
      first + Math.ceil((this.element.clientHeight || 220) / ROW_HEIGHT) + 8,
    );
    this.rows.style.transform = `translateY(${first * ROW_HEIGHT}px)`;
    const rendered: HTMLElement[] = [];
    for (let at = first; at < last; at++) rendered.push(this.row(at));
    // The active row must exist for aria-activedescendant, wherever the table has been scrolled.
    if (this.at < first || this.at >= last) this.element.removeAttribute('aria-activedescendant');
    else this.element.setAttribute('aria-activedescendant', `tree-row-${this.at}`);
    this.rows.replaceChildren(...rendered);
  }

  private row(at: number): HTMLElement {
    const node = this.nodes[at] as Node;
    const cells = node.span < 0 ? this.traceCells(node.trace) : this.spanCells(node.span);
    const expanded = this.isExpanded(node);
    const name = el('span', { role: 'rowheader', class: 'tree-name' });
    name.style.paddingInlineStart = `${(node.level - 1) * 14}px`;
    name.append(
      el('span', {
        class: `tree-twisty ${node.children ? (expanded ? 'open' : 'closed') : ''}`,
        'aria-hidden': 'true',
      }),
      cells[0] as string,
    );
    return el(
      'div',
      {
        role: 'row',
        id: `tree-row-${at}`,
        'data-at': at,
        'aria-rowindex': at + 2,
        'aria-level': node.level,
        'aria-expanded': node.children ? String(expanded) : undefined,
        'aria-selected': String(at === this.at),
        class: `tree-row${at === this.at ? ' active' : ''}`,
      },
      name,
      ...cells.slice(1).map((text) => el('span', { role: 'gridcell' }, text)),
    );
  }

  private traceCells(trace: number): string[] {
    const { table, layout } = this.model;
    const root = layout.rootsOf(trace)[0];
    const name = root === undefined ? 'trace' : table.nameOf(root);
    const id = (table.traces[trace] ?? '').slice(0, 8);
    return [
      `Trace ${id}: ${name}, ${plural(table.spansOfTrace[trace]?.length ?? 0, 'span')}`,
      '',
      '',
      '',
      '',
      '',
      '',
    ];
  }

  private spanCells(span: number): string[] {
    const { table, layout } = this.model;
    const detail = table.text(table.detail[span] as number);
    const { tid } = table.threadOf(span);
    const status = [
      table.has(span, SPAN_FLAG.error) ? 'error' : '',
      table.has(span, SPAN_FLAG.unfinished) ? 'unfinished' : '',
      table.has(span, SPAN_FLAG.lost) ? 'events lost' : '',
    ].filter((s) => s !== '');
    return [
      `${table.nameOf(span)}${detail === '' ? '' : ` ${detail}`}`,
      formatDuration(table.duration[span] as number),
      `+${formatDuration(layout.start(span) - this.model.extent.from)}`,
      status.join(', '),
      tid < 0 ? '' : String(tid),
      table.text(table.source[span] as number),
      waitingText(table.timesOf(span)),
    ];
  }
}
