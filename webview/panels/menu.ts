/** The context menu. */
import { el } from './dom';

export interface MenuItem {
  readonly label: string;
  readonly run: () => void;
}

export interface Menu {
  readonly element: HTMLElement;
  show(x: number, y: number, items: readonly (MenuItem | 'line')[]): void;
  hide(): void;
}

export function createMenu(returnFocus: () => void): Menu {
  const element = el('div', { class: 'menu', role: 'menu', hidden: true });
  const hide = () => {
    if (element.hidden) return;
    element.hidden = true;
    returnFocus();
  };
  const items = () => [...element.querySelectorAll<HTMLElement>('[role=menuitem]')];
  element.addEventListener('keydown', (event) => {
    const list = items();
    const at = list.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'ArrowDown') list[(at + 1) % list.length]?.focus();
    else if (event.key === 'ArrowUp') list[(at - 1 + list.length) % list.length]?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') hide();
    else if (event.key !== 'Enter' && event.key !== ' ') return;
    event.stopPropagation();
    if (event.key !== 'Enter' && event.key !== ' ') event.preventDefault();
  });
  document.addEventListener('pointerdown', (event) => {
    if (!element.contains(event.target as Node)) element.hidden = true;
  });
  window.addEventListener('blur', () => {
    element.hidden = true;
  });
  return {
    element,
    hide,
    show(x, y, list) {
      element.replaceChildren(
        ...list.map((item) => {
          if (item === 'line') return el('hr', {});
          const entry = el('button', { role: 'menuitem', type: 'button' }, item.label);
          entry.addEventListener('click', () => {
            hide();
            item.run();
          });
          return entry;
        }),
      );
      element.hidden = false;
      // After it has a size: keep it inside the document.
      const { offsetWidth: w, offsetHeight: h } = element;
      element.style.left = `${Math.max(2, Math.min(x, window.innerWidth - w - 4))}px`;
      element.style.top = `${Math.max(2, Math.min(y, window.innerHeight - h - 4))}px`;
      items()[0]?.focus();
    },
  };
}
