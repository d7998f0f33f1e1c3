/**
 * The only file that knows @vscode/webview-ui-toolkit: its upstream is archived, so it must be replaceable here and nowhere else
 * (docs/decisions/0070-webview-canvas-and-toolkit.md).
 */
import {
  provideVSCodeDesignSystem,
  vsCodeBadge,
  vsCodeButton,
  vsCodeDropdown,
  vsCodeOption,
  vsCodePanels,
  vsCodePanelTab,
  vsCodePanelView,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { el, icon, type IconName } from './panels/dom';

export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeBadge(),
    vsCodeButton(),
    vsCodeDropdown(),
    vsCodeOption(),
    vsCodePanels(),
    vsCodePanelTab(),
    vsCodePanelView(),
    vsCodeProgressRing(),
    vsCodeTextField(),
  );
}

export interface ButtonOptions {
  readonly label: string;
  readonly onClick: () => void;
  /** Shown instead of the label, which becomes the accessible name and the tooltip. */
  readonly icon?: IconName;
  readonly kind?: 'primary' | 'secondary';
  readonly title?: string;
}

export interface Button {
  readonly element: HTMLElement;
  setPressed(pressed: boolean): void;
  setVisible(visible: boolean): void;
  setLabel(label: string): void;
}

export function button(options: ButtonOptions): Button {
  const element = el('vscode-button', {
    class: options.icon ? 'icon-button' : '',
    appearance: options.icon ? 'icon' : (options.kind ?? 'secondary'),
    'aria-label': options.label,
    title: options.title ?? options.label,
  });
  if (options.icon) element.append(icon(options.icon));
  else element.append(options.label);
  element.addEventListener('click', options.onClick);
  return {
    element,
    setPressed(pressed) {
      element.setAttribute('aria-pressed', String(pressed));
      // The toolkit hands a label on to its inner button, but not this; the inner button exists once the element is in the document.
      void Promise.resolve().then(() =>
        element.shadowRoot?.querySelector('button')?.setAttribute('aria-pressed', String(pressed)),
      );
      element.classList.toggle('pressed', pressed);
    },
    setVisible(visible) {
      element.hidden = !visible;
    },
    setLabel(label) {
      if (!options.icon) element.textContent = label;
      element.setAttribute('aria-label', label);
      element.title = label;
    },
  };
}

export interface TextField {
  readonly element: HTMLElement;
  value: string;
  focus(): void;
}

export function textField(options: {
  readonly label: string;
  readonly placeholder: string;
  readonly onInput: (value: string) => void;
  readonly onKey: (event: KeyboardEvent) => void;
}): TextField {
  const element = el('vscode-text-field', {
    class: 'search',
    placeholder: options.placeholder,
    'aria-label': options.label,
  }) as HTMLElement & { value: string; select?: () => void };
  element.append(icon('search', 'start'));
  element.addEventListener('input', () => {
    options.onInput(element.value);
  });
  element.addEventListener('keydown', options.onKey);
  return {
    element,
    get value() {
      return element.value;
    },
    set value(text: string) {
      element.value = text;
    },
    focus() {
      element.focus();
      element.select?.();
    },
  };
}

export interface Dropdown {
  readonly element: HTMLElement;
  value: string;
}

/** Choices as [value, text]. */
export function dropdown(options: {
  readonly label: string;
  readonly choices: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}): Dropdown {
  const element = el('vscode-dropdown', {
    'aria-label': options.label,
    title: options.label,
  }) as HTMLElement & {
    value: string;
  };
  for (const [value, text] of options.choices) element.append(el('vscode-option', { value }, text));
  element.addEventListener('change', () => {
    options.onChange(element.value);
  });
  return {
    element,
    get value() {
      return element.value;
    },
    set value(chosen: string) {
      element.value = chosen;
    },
  };
}

export function badge(text: string): HTMLElement {
  return el('vscode-badge', {}, text);
}

export function progressRing(): HTMLElement {
  return el('vscode-progress-ring', { 'aria-label': 'In progress' });
}

export interface Tab {
  readonly id: string;
  readonly title: string;
  readonly view: HTMLElement;
}

export interface Tabs {
  readonly element: HTMLElement;
  active: string;
  setTitle(id: string, title: string): void;
}

export function tabs(label: string, list: readonly Tab[], onChange: (id: string) => void): Tabs {
  const element = el('vscode-panels', { 'aria-label': label, activeid: `tab-${list[0]?.id ?? ''}` });
  for (const tab of list) element.append(el('vscode-panel-tab', { id: `tab-${tab.id}` }, tab.title));
  for (const tab of list) {
    const view = el('vscode-panel-view', { id: `view-${tab.id}` });
    view.append(tab.view);
    element.append(view);
  }
  const active = () => (element.getAttribute('activeid') ?? '').replace(/^tab-/, '');
  new MutationObserver(() => {
    onChange(active());
  }).observe(element, { attributes: true, attributeFilter: ['activeid'] });
  return {
    element,
    get active() {
      return active();
    },
    set active(id: string) {
      element.setAttribute('activeid', `tab-${id}`);
    },
    setTitle(id, title) {
      const tab = element.querySelector(`#tab-${id}`);
      if (tab && tab.textContent !== title) tab.textContent = title;
    },
  };
}
