/** Colours and fonts of the canvas, read from VS Code's theme variables. */
import { CATEGORY_NAMES, type CategoryName } from '../../common/view/flags';
import { PAINT_CODE, PAINTS, SERVICE_COLOURS, type Paint } from './draw-list';

export interface Theme {
  readonly kind: 'dark' | 'light' | 'high-contrast' | 'high-contrast-light';
  /** CSS colour of each paint, by code. */
  readonly fill: readonly string[];
  /** Colour of text on a bar of that paint. */
  readonly on: readonly string[];
  /** Outline of a bar of that paint; '' where bars have none. */
  readonly outline: readonly string[];
  readonly font: string;
  readonly fontSize: number;
}

type Rgb = readonly [number, number, number];

const CLASS_VARIABLES: Readonly<Record<CategoryName, readonly string[]>> = {
  user: ['--vscode-charts-blue'],
  file: ['--vscode-charts-blue'],
  network: ['--vscode-charts-green'],
  memory: ['--vscode-charts-purple'],
  process: ['--vscode-charts-orange'],
  sync: ['--vscode-terminal-ansiBrightYellow', '--vscode-charts-yellow'],
  time: ['--vscode-terminal-ansiCyan'],
  other: ['--vscode-descriptionForeground'],
};
const CLASS_FALLBACK: Readonly<Record<CategoryName, string>> = {
  user: '#3794ff',
  file: '#3794ff',
  network: '#89d185',
  memory: '#b180d7',
  process: '#d18616',
  sync: '#cca700',
  time: '#11a8cd',
  other: '#8a8a8a',
};
const SERVICE_VARIABLES = [
  '--vscode-terminal-ansiBrightBlue',
  '--vscode-terminal-ansiBrightMagenta',
  '--vscode-terminal-ansiBrightCyan',
  '--vscode-terminal-ansiGreen',
  '--vscode-charts-orange',
  '--vscode-terminal-ansiMagenta',
  '--vscode-terminal-ansiBlue',
  '--vscode-terminal-ansiYellow',
];
const SERVICE_FALLBACK = [
  '#3b8eea',
  '#d670d6',
  '#29b8db',
  '#0dbc79',
  '#d18616',
  '#bc3fbc',
  '#2472c8',
  '#e5e510',
];

/** Reads the theme of the document now. */
export function readTheme(element: HTMLElement): Theme {
  const style = getComputedStyle(element);
  const parse = colourParser();
  const variable = (names: readonly string[], fallback: string): string => {
    for (const name of names) {
      const value = style.getPropertyValue(name).trim();
      if (value !== '') return value;
    }
    return fallback;
  };
  const kind = themeKind(element);
  const contrast = kind.startsWith('high-contrast');
  const dark = kind === 'dark' || kind === 'high-contrast';
  const background = parse(variable(['--vscode-editor-background'], dark ? '#1e1e1e' : '#ffffff'));
  const foreground = parse(
    variable(['--vscode-editor-foreground', '--vscode-foreground'], dark ? '#d4d4d4' : '#333333'),
  );
  const border = variable(
    ['--vscode-contrastBorder', '--vscode-panel-border'],
    css(mix(foreground, background, 0.2)),
  );
  // Themes give chart colours that are meant for other backgrounds, or transparent ones; a bar must be seen.
  const seen = (names: readonly string[], fallback: string): Rgb => {
    const value = variable(names, fallback);
    const colour = parse(value);
    return opaque(value) && contrastRatio(colour, background) >= 1.8 ? colour : parse(fallback);
  };
  const accent = variable(['--vscode-focusBorder'], '#007fd4');
  const error = variable(['--vscode-errorForeground', '--vscode-charts-red'], '#f14c4c');
  const warning = variable(['--vscode-editorWarning-foreground', '--vscode-charts-orange'], '#cca700');
  const soft = (share: number) => css(mix(foreground, background, share));

  const fill: Record<string, string> = {
    background: css(background),
    ruler: css(background),
    headRow: contrast ? css(background) : soft(0.06),
    labels: variable(['--vscode-sideBar-background'], css(background)),
    text: css(foreground),
    dim: contrast
      ? css(foreground)
      : legible(variable(['--vscode-descriptionForeground'], soft(0.7)), background, parse),
    grid: soft(contrast ? 0.25 : 0.09),
    border: contrast ? border : css(mix(parse(border), background, 0.9)),
    hoverRow: soft(0.05),
    selectedRow: soft(contrast ? 0.2 : 0.1),
    selection: contrast ? variable(['--vscode-contrastActiveBorder'], accent) : css(foreground),
    range: accent,
    error,
    warning,
    lost: warning,
    event: css(foreground),
    mark: css(seen(['--vscode-charts-orange'], '#d18616')),
    placeholder: soft(0.55),
    plate: css(background),
    match: variable(['--vscode-editor-findMatchHighlightBackground', '--vscode-charts-yellow'], '#cca700'),
    live: error,
    'on-cpu': variable(['--vscode-charts-green', '--vscode-terminal-ansiGreen'], '#89d185'),
    runnable: variable(['--vscode-charts-orange'], '#d18616'),
    blocked: soft(contrast ? 1 : 0.6),
  };
  const on: Record<string, string> = {};
  const outline: Record<string, string> = {};
  for (const name of CATEGORY_NAMES) {
    // The light theme's description colour is that of its text: grey has to be mixed.
    const colour =
      name === 'other' ? mix(foreground, background, 0.5) : seen(CLASS_VARIABLES[name], CLASS_FALLBACK[name]);
    // A little calmer than the chart colours, which are made for thin lines.
    const bar = contrast ? colour : mix(colour, background, 0.82);
    fill[`class-${name}`] = css(bar);
    on[`class-${name}`] = bestText(bar);
  }
  for (let i = 0; i < SERVICE_COLOURS; i++) {
    const hue = seen([SERVICE_VARIABLES[i] ?? ''], SERVICE_FALLBACK[i] ?? '#3b8eea');
    // User spans are tinted with an outline, system calls solid: told apart in any palette and without colour.
    const bar = contrast ? background : mix(hue, background, dark ? 0.3 : 0.22);
    fill[`service-${i}`] = css(bar);
    outline[`service-${i}`] = css(contrast ? hue : mix(hue, background, 0.85));
    on[`service-${i}`] = contrast ? css(foreground) : bestText(bar, foreground);
  }
  const list = (of: Readonly<Record<string, string>>, fallback: (paint: Paint) => string) =>
    PAINTS.map((paint) => of[paint] ?? fallback(paint));
  const fontSize = Number.parseFloat(style.getPropertyValue('--vscode-font-size')) || 13;
  return {
    kind,
    fill: list(fill, () => css(foreground)),
    on: list(on, () => css(foreground)),
    outline: list(outline, (paint) => (contrast && paint.startsWith('class-') ? css(foreground) : '')),
    font: variable(['--vscode-font-family'], 'system-ui, sans-serif'),
    fontSize: Math.min(15, Math.max(11, fontSize - 1)),
  };
}

/** For what is drawn by CSS in the colours of the bars, such as the legend. */
export function publishColours(theme: Theme, element: HTMLElement): void {
  for (const name of CATEGORY_NAMES)
    element.style.setProperty(`--class-${name}`, theme.fill[PAINT_CODE[`class-${name}`] as number] ?? '');
}

function themeKind(element: HTMLElement): Theme['kind'] {
  const { classList } = element.ownerDocument.body;
  if (classList.contains('vscode-high-contrast-light')) return 'high-contrast-light';
  if (classList.contains('vscode-high-contrast')) return 'high-contrast';
  return classList.contains('vscode-light') ? 'light' : 'dark';
}

/** Not one with an alpha channel far below 1; keywords and functions without one are. */
function opaque(colour: string): boolean {
  if (/^transparent$/i.test(colour)) return false;
  const hex = /^#(?:[0-9a-f]{3}([0-9a-f])|[0-9a-f]{6}([0-9a-f]{2}))$/i.exec(colour);
  if (hex !== null)
    return Number.parseInt(hex[1] ?? hex[2] ?? 'f', 16) / (hex[1] === undefined ? 255 : 15) > 0.8;
  const alpha = /^(?:rgba|hsla)\(.*[,/]\s*([\d.]+)(%?)\s*\)$/i.exec(colour);
  return alpha === null || Number(alpha[1]) / (alpha[2] === '%' ? 100 : 1) > 0.8;
}

/** Any CSS colour as red, green, blue 0…255: the canvas does the parsing. Transparency is ignored. */
function colourParser(): (colour: string) => Rgb {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return (colour) => {
    if (!context) return [128, 128, 128];
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = '#808080';
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
    return [r ?? 128, g ?? 128, b ?? 128];
  };
}

const css = ([r, g, b]: Rgb): string => `rgb(${Math.round(r)}, ${Math.round(g)}, ${Math.round(b)})`;

/** `share` of `a`, the rest `b`. */
export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  return [0, 1, 2].map((c) => (a[c] as number) * share + (b[c] as number) * (1 - share)) as unknown as Rgb;
}

/** Relative luminance of WCAG 2.1, 0…1. */
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((value) => {
    const c = value / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast ratio of WCAG 2.1, 1…21. */
export function contrastRatio(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** `preferred` when it can be read on `bar` (4.5 : 1), else black or white, whichever reads better. */
function bestText(bar: Rgb, preferred?: Rgb): string {
  if (preferred && contrastRatio(preferred, bar) >= 4.5) return css(preferred);
  const black: Rgb = [16, 16, 16];
  const white: Rgb = [255, 255, 255];
  return css(contrastRatio(black, bar) >= contrastRatio(white, bar) ? black : white);
}

/** The colour, moved away from the background until it can be read on it. */
function legible(colour: string, background: Rgb, parse: (colour: string) => Rgb): string {
  let rgb = parse(colour);
  const end: Rgb = luminance(background) > 0.4 ? [0, 0, 0] : [255, 255, 255];
  for (let i = 0; i < 10 && contrastRatio(rgb, background) < 4.5; i++) rgb = mix(end, rgb, 0.15);
  return css(rgb);
}
