/** Mouse, pen and touch on the timeline, turned into wishes. Knows places and buttons, nothing of spans. */

export interface PointerActions {
  /** Place in px relative to the stage. `double`: the second click of a double click. */
  click(x: number, y: number, event: { readonly double: boolean; readonly alt: boolean }): void;
  hover(x: number, y: number): void;
  leave(): void;
  /** A range is being drawn from x0 to x1; `done` when the button went up. */
  range(x0: number, x1: number, done: boolean): void;
  pan(dx: number, dy: number): void;
  /** A pan or zoom gesture begins: the view before it can be returned to. */
  gestureStarts(): void;
  zoom(x: number, factor: number): void;
  scroll(dy: number): void;
  resizeLabels(x: number): void;
  menu(x: number, y: number): void;
}

const DRAG_FROM = 4;
const WHEEL_LINE = 18;
const GESTURE_PAUSE_MS = 600;

/** Listens on the stage. `labelWidth`: where the edge between labels and timeline is now. */
export function listenToPointer(stage: HTMLElement, labelWidth: () => number, actions: PointerActions): void {
  let drag:
    | {
        kind: 'maybe' | 'range' | 'pan' | 'resize';
        x: number;
        y: number;
        lastX: number;
        lastY: number;
        id: number;
      }
    | undefined;
  let lastWheel = 0;
  const place = (event: MouseEvent): readonly [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const overEdge = (x: number) => Math.abs(x - labelWidth()) <= 4;

  stage.addEventListener('pointerdown', (event) => {
    const [x, y] = place(event);
    if (event.button === 2) return;
    const base = { x, y, lastX: x, lastY: y, id: event.pointerId };
    if (overEdge(x)) drag = { kind: 'resize', ...base };
    else if (event.button === 1 || (event.shiftKey && x > labelWidth()) || event.pointerType === 'touch') {
      drag = { kind: 'pan', ...base };
      actions.gestureStarts();
    } else drag = { kind: 'maybe', ...base };
    stage.setPointerCapture(event.pointerId);
    stage.focus({ preventScroll: true });
    event.preventDefault();
  });

  stage.addEventListener('pointermove', (event) => {
    const [x, y] = place(event);
    if (!drag) {
      stage.classList.toggle('over-edge', overEdge(x));
      actions.hover(x, y);
      return;
    }
    if (drag.kind === 'maybe' && drag.x > labelWidth() && Math.abs(x - drag.x) >= DRAG_FROM)
      drag.kind = 'range';
    if (drag.kind === 'range') actions.range(drag.x, x, false);
    else if (drag.kind === 'pan') actions.pan(drag.lastX - x, drag.lastY - y);
    else if (drag.kind === 'resize') actions.resizeLabels(x);
    drag.lastX = x;
    drag.lastY = y;
  });

  const end = (event: PointerEvent, cancelled: boolean) => {
    if (!drag) return;
    const [x, y] = place(event);
    const { kind } = drag;
    const moved = Math.hypot(x - drag.x, y - drag.y) >= DRAG_FROM;
    const from = drag.x;
    drag = undefined;
    if (cancelled) return;
    if (kind === 'range') actions.range(from, x, true);
    else if (!moved && kind !== 'resize' && event.button !== 1) {
      actions.click(x, y, { double: isDouble(event), alt: event.altKey });
    }
  };
  stage.addEventListener('pointerup', (event) => {
    end(event, false);
  });
  stage.addEventListener('pointercancel', (event) => {
    end(event, true);
  });
  stage.addEventListener('pointerleave', () => {
    if (!drag) actions.leave();
  });

  let lastClick = { time: 0, x: 0, y: 0 };
  const isDouble = (event: PointerEvent) => {
    const [x, y] = place(event);
    const double = event.timeStamp - lastClick.time < 400 && Math.hypot(x - lastClick.x, y - lastClick.y) < 5;
    lastClick = { time: double ? 0 : event.timeStamp, x, y };
    return double;
  };

  stage.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? WHEEL_LINE : event.deltaMode === 2 ? stage.clientHeight : 1;
      const dx = event.deltaX * unit;
      const dy = event.deltaY * unit;
      const [x] = place(event);
      const starts = event.timeStamp - lastWheel > GESTURE_PAUSE_MS;
      lastWheel = event.timeStamp;
      const sideways = event.shiftKey || Math.abs(dx) > Math.abs(dy);
      if (starts && (event.ctrlKey || event.metaKey || sideways)) actions.gestureStarts();
      if (event.ctrlKey || event.metaKey) {
        // A pinch comes as small steps, a wheel as steps of about 100.
        actions.zoom(x, Math.exp(Math.max(-60, Math.min(60, dy)) * 0.008));
      } else if (sideways) {
        actions.pan(event.shiftKey && dx === 0 ? dy : dx, 0);
      } else {
        actions.scroll(dy);
      }
    },
    { passive: false },
  );

  stage.addEventListener('contextmenu', (event) => {
    event.preventDefault();
    const [x, y] = place(event);
    actions.menu(x, y);
  });
}
