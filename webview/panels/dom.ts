/** Small helpers to build DOM. Text always goes in as text nodes: nothing that comes from a traced program is parsed as HTML. */

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes (false and undefined leave one out, true sets it empty) and children. */
export function el(
  tag: string,
  attributes: Attributes = {},
  ...children: (Node | string | undefined)[]
): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || value === '') continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** A button that looks like a link. */
export function link(text: string, title: string, onClick: (event: MouseEvent) => void): HTMLElement {
  const element = el('button', { class: 'link', type: 'button', title }, text);
  element.addEventListener('click', onClick);
  return element;
}

const ICONS = {
  search:
    'M10.5 9.6 14 13.1l-.9.9-3.5-3.5a4.8 4.8 0 1 1 .9-.9ZM6.7 10.2a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z',
  zoomIn: 'M7.3 3h1.4v4.3H13v1.4H8.7V13H7.3V8.7H3V7.3h4.3V3Z',
  zoomOut: 'M3 7.3h10v1.4H3V7.3Z',
  fit: 'M1.5 3H3v10H1.5V3ZM13 3h1.5v10H13V3ZM4 8l3-2.6v1.9h2V5.4L12 8l-3 2.6V8.7H7v1.9L4 8Z',
  follow: 'M3 3.2 8.6 8 3 12.8V3.2Zm6 0L14 8l-5 4.8V3.2Z',
  filter: 'M2 3h12v1.4H2V3Zm2 4.3h8v1.4H4V7.3Zm2.2 4.3h3.6V13H6.2v-1.4Z',
  help: 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm0 1.3a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 8 2.8Zm-.7 7.7h1.4v1.4H7.3v-1.4ZM8 4.2c1.4 0 2.5.9 2.5 2.2 0 1-.6 1.5-1.2 2-.4.3-.6.5-.6 1v.2H7.3v-.4c0-1 .6-1.5 1.1-1.9.5-.3.7-.5.7-.9 0-.5-.4-.9-1.1-.9-.7 0-1.1.4-1.2 1H5.4C5.5 5 6.5 4.2 8 4.2Z',
  export: 'M7.3 2h1.4v6l2-2 .9 1L8 10.6 4.4 7l.9-1 2 2V2ZM3 10h1.3v2.7h7.4V10H13v4H3v-4Z',
  stop: 'M3.5 3.5h9v9h-9v-9Z',
  close: 'm8 7.1 3.6-3.6.9.9L8.9 8l3.6 3.6-.9.9L8 8.9l-3.6 3.6-.9-.9L7.1 8 3.5 4.4l.9-.9L8 7.1Z',
  up: 'm8 5 5 5-.9.9L8 6.8 3.9 10.9 3 10l5-5Z',
  down: 'm8 11-5-5 .9-.9L8 9.2l4.1-4.1.9.9-5 5Z',
  copy: 'M5 2h8v9h-2v3H3V5h2V2Zm1.3 3H11v4.7h.7V3.3H6.3V5ZM4.3 6.3v6.4h5.4V6.3H4.3Z',
  merge: 'M3 2.5h10V4H3V2.5Zm4.3 3h1.4v3.6l1.6-1.6 1 1L8 11.8 4.7 8.5l1-1 1.6 1.6V5.5ZM3 12h10v1.5H3V12Z',
  panel: 'M2 2.5h12v11H2v-11Zm1.3 1.3v4.4h9.4V3.8H3.3Zm0 5.7v2.7h9.4V9.5H3.3Z',
} as const;
export type IconName = keyof typeof ICONS;

/** A 16 px icon in the text colour. */
export function icon(name: IconName, slot?: string): SVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  for (const [key, value] of Object.entries({
    viewBox: '0 0 16 16',
    width: '16',
    height: '16',
    fill: 'currentColor',
  })) {
    svg.setAttribute(key, value);
  }
  svg.setAttribute('aria-hidden', 'true');
  if (slot !== undefined) svg.setAttribute('slot', slot);
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', ICONS[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}
