import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { TIMELINE_COMMANDS, type TimelineCommand } from '../common/view/commands';
import { COMMANDS, CONTEXT, VIEW_TYPE } from './commands';

interface MenuItem {
  readonly command?: string;
  readonly when?: string;
}
interface Manifest {
  readonly main: string;
  readonly icon: string;
  readonly activationEvents: readonly string[];
  readonly contributes: {
    readonly commands: readonly {
      readonly command: string;
      readonly title: string;
      readonly category: string;
    }[];
    readonly keybindings: readonly {
      readonly command: string;
      readonly key: string;
      readonly when: string;
    }[];
    readonly menus: Readonly<Record<string, readonly MenuItem[]>>;
    readonly customEditors: readonly { readonly viewType: string }[];
    readonly configuration: { readonly properties: Readonly<Record<string, { readonly scope?: string }>> };
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly icon: string }[]>>;
    readonly viewsContainers: { readonly activitybar: readonly { readonly icon: string }[] };
    readonly walkthroughs: readonly {
      readonly steps: readonly { readonly description: string; readonly media: { readonly svg?: string } }[];
    }[];
    readonly languages: readonly { readonly icon: { readonly light: string; readonly dark: string } }[];
  };
}

const root = path.resolve(__dirname, '..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
const { contributes } = manifest;
const known: readonly string[] = [...Object.values(COMMANDS), ...TIMELINE_COMMANDS.map(({ id }) => id)];

describe('package.json', () => {
  it('contributes exactly the commands that exist', () => {
    expect(contributes.commands.map(({ command }) => command).sort()).toEqual([...known].sort());
  });

  it('refers to no other command of ours, in menus, keys and links', () => {
    const used = [
      ...Object.values(contributes.menus).flatMap((items) => items.map(({ command }) => command ?? '')),
      ...contributes.keybindings.map(({ command }) => command),
      ...[...JSON.stringify(contributes).matchAll(/command:(skua\.[\w.]+)/g)].map((match) => match[1] ?? ''),
    ];
    expect(used.length).toBeGreaterThan(50);
    expect(used.filter((id) => !known.includes(id))).toEqual([]);
  });

  it('binds the timeline’s keys as its table says, only while its rows have the keyboard', () => {
    const table: readonly TimelineCommand[] = TIMELINE_COMMANDS;
    expect(contributes.keybindings.map(({ command, key }) => [command, key])).toEqual(
      table.flatMap(({ id, vscodeKey }) => (vscodeKey === undefined ? [] : [[id, vscodeKey]])),
    );
    for (const { when } of contributes.keybindings) expect(when).toBe(CONTEXT.timelineFocus);
  });

  it('knows the custom editor and is activated by what it restores', () => {
    expect(contributes.customEditors.map(({ viewType }) => viewType)).toEqual([VIEW_TYPE.traceEditor]);
    expect(manifest.activationEvents).toContain(`onWebviewPanel:${VIEW_TYPE.timelinePanel}`);
    expect(manifest.activationEvents).not.toContain('*');
  });

  it('has every picture it names', () => {
    const pictures = [
      manifest.icon,
      ...contributes.viewsContainers.activitybar.map(({ icon }) => icon),
      ...Object.values(contributes.views).flatMap((views) => views.map(({ icon }) => icon)),
      ...contributes.languages.flatMap(({ icon }) => [icon.light, icon.dark]),
      ...contributes.walkthroughs.flatMap(({ steps }) => steps.flatMap(({ media }) => media.svg ?? [])),
    ];
    for (const picture of pictures)
      expect(readFileSync(path.join(root, picture)).length, picture).toBeGreaterThan(100);
  });

  it('gives every setting a scope, and the code reads no other', () => {
    for (const [name, { scope }] of Object.entries(contributes.configuration.properties))
      expect(scope, name).toBeDefined();
  });
});
