/** The document's elements and how they are connected to the app. */
import type { TimelineApp } from './app';
import { BottomPanel } from './panels/bottom-panel';
import { el } from './panels/dom';
import { createFooter, type Footer } from './panels/footer';
import { createHelp, type Help } from './panels/help';
import { createMenu, type Menu } from './panels/menu';
import { createStateView, type StateView } from './panels/states';
import { createToolbar, type Toolbar } from './panels/toolbar';
import { createTooltip, type Tooltip } from './panels/tooltip';
import { Stage } from './render/stage';
import { zoomed } from './view/viewport';

export interface Parts {
  readonly frame: HTMLElement;
  readonly toolbar: Toolbar;
  readonly stage: Stage;
  readonly states: StateView;
  readonly bottom: BottomPanel;
  readonly bottomHost: HTMLElement;
  readonly footer: Footer;
  readonly tooltip: Tooltip;
  readonly menu: Menu;
  readonly help: Help;
  /** aria-live region. */
  readonly live: HTMLElement;
}

export function createDocument(root: HTMLElement, app: TimelineApp): Parts {
  const stage = new Stage('timeline-hint');
  const focusStage = () => {
    stage.element.focus({ preventScroll: true });
  };
  const toolbar = createToolbar({
    search: (query) => {
      app.search(query);
    },
    nextMatch: (step) => {
      app.nextMatch(step);
    },
    leaveSearch: focusStage,
    toggleFilter: () => {
      app.toggleFilter();
    },
    zoom: (factor) => {
      const { from, to } = app.view.target;
      app.moveTo(zoomed(app.view.target, factor, (from + to) / 2));
    },
    fit: () => {
      app.run('skua.timeline.zoomFit');
    },
    toggleFollow: () => {
      app.setFollow(!app.following);
    },
    togglePanel: () => {
      app.togglePanel();
    },
    toggleMerge: () => {
      app.run('skua.timeline.toggleMerge');
    },
    help: () => {
      help.toggle(true);
    },
    exportTrace: () => {
      app.link.post({ type: 'export' });
    },
    stop: () => {
      app.link.post({ type: 'stop' });
    },
    showLosses: () => {
      app.togglePanel(true);
      bottom.open('losses');
    },
  });
  const states = createStateView({
    showLog: () => {
      app.link.post({ type: 'showLog' });
    },
    clearFilter: () => {
      app.setSearch('');
      focusStage();
    },
  });
  const bottom = new BottomPanel(app.model, {
    post: (message) => {
      app.link.post(message);
    },
    goTo: (span) => {
      app.goTo(span);
    },
    showTime: (time) => {
      const { from, to } = app.view.target;
      if (time < from || time > to) app.moveTo({ from: time - (to - from) / 2, to: time + (to - from) / 2 });
    },
    filterByName: (name) => {
      app.setSearch(`name:${/\s/.test(name) ? `"${name}"` : name}`);
    },
    openSource: (span, toSide) => {
      app.openSource(span, { toSide, preserveFocus: false });
    },
    window: () => app.view.target,
    copy: (text, what) => {
      app.copy(text, what);
    },
  });
  const footer = createFooter((name) => {
    app.setSearch(`class:${name}`);
  });
  const tooltip = createTooltip();
  const menu = createMenu(focusStage);
  const help = createHelp(focusStage);
  const live = el('div', { class: 'sr-only', 'aria-live': 'polite', role: 'status' });
  const hint = el(
    'div',
    { class: 'sr-only', id: 'timeline-hint' },
    'Arrow keys move between spans, Enter opens the source, question mark lists all keys. The tab “Spans” below has the same spans as a table.',
  );
  const skip = el('button', { class: 'skip', type: 'button' }, 'Go to the table of spans');
  skip.addEventListener('click', () => {
    app.run('skua.timeline.toggleTable');
  });
  const splitter = el('div', {
    class: 'splitter',
    role: 'separator',
    'aria-orientation': 'horizontal',
    'aria-label': 'Height of the details',
    tabindex: '0',
  });
  const bottomHost = el('div', { class: 'bottom-host' }, bottom.element);
  const stageHost = el(
    'div',
    { class: 'stage-host' },
    stage.element,
    stage.scroller,
    states.element,
    tooltip.element,
  );
  const frame = el(
    'div',
    { class: 'frame' },
    skip,
    toolbar.element,
    states.banner,
    stage.overviewElement,
    stageHost,
    splitter,
    bottomHost,
    footer.element,
  );
  root.replaceChildren(frame, menu.element, help.element, hint, live);
  connectSplitter(splitter, bottomHost, app);
  connectOverview(stage.overviewElement, app);
  connectDocument(root, stage, app);
  return { frame, toolbar, stage, states, bottom, bottomHost, footer, tooltip, menu, help, live };
}

function connectSplitter(splitter: HTMLElement, host: HTMLElement, app: TimelineApp): void {
  splitter.addEventListener('pointerdown', (down) => {
    const height = host.offsetHeight;
    splitter.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent) => {
      app.resizePanel(height + down.clientY - event.clientY);
    };
    splitter.addEventListener('pointermove', move);
    splitter.addEventListener(
      'lostpointercapture',
      () => {
        splitter.removeEventListener('pointermove', move);
      },
      { once: true },
    );
  });
  splitter.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    app.resizePanel(host.offsetHeight + (event.key === 'ArrowUp' ? 24 : -24));
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Drag moves the view; a press outside it first brings its middle there. */
function connectOverview(strip: HTMLElement, app: TimelineApp): void {
  strip.addEventListener('pointerdown', (down) => {
    const extent = app.overviewExtent();
    const box = strip.getBoundingClientRect();
    const timeOf = (x: number) => extent.from + ((x - box.left) / box.width) * (extent.to - extent.from);
    const { from, to } = app.view.target;
    const at = timeOf(down.clientX);
    const grip = at >= from && at <= to ? at - from : (to - from) / 2;
    app.leaveFollow();
    app.view.remember();
    strip.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent) => {
      const start = timeOf(event.clientX) - grip;
      app.moveTo({ from: start, to: start + to - from }, { remember: false, jump: true });
    };
    move(down);
    strip.addEventListener('pointermove', move);
    strip.addEventListener(
      'lostpointercapture',
      () => {
        strip.removeEventListener('pointermove', move);
      },
      { once: true },
    );
  });
}

function connectDocument(root: HTMLElement, stage: Stage, app: TimelineApp): void {
  stage.scroller.addEventListener('scroll', () => {
    const y = stage.scroller.scrollTop;
    if (Math.abs(y - app.view.scrollY) >= 1 && !app.view.moving) app.scrollTo(y, true);
  });
  new ResizeObserver(() => {
    app.invalidate();
  }).observe(stage.element);
  // VS Code changes classes and variables of the document when the theme changes.
  const observer = new MutationObserver(() => {
    app.themeChanged();
  });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  const focused = () => {
    app.link.post({
      type: 'focus',
      focused: document.hasFocus() && document.activeElement === stage.element,
    });
  };
  root.addEventListener('focusin', focused);
  root.addEventListener('focusout', focused);
  // A ring around the whole timeline after every click would be noise; after Tab it is needed.
  document.addEventListener(
    'keydown',
    () => {
      root.classList.add('by-keyboard');
    },
    true,
  );
  document.addEventListener(
    'pointerdown',
    () => {
      root.classList.remove('by-keyboard');
    },
    true,
  );
  window.addEventListener('blur', () => {
    app.link.post({ type: 'focus', focused: false });
  });
  window.addEventListener('focus', focused);
}
