import * as vscode from 'vscode';
import { SkuaError, toSkuaError } from '../../common/base/errors';
import { plural } from '../../common/view/format';
import { COMMANDS } from '../commands';
import type { TargetSpec } from '../core/api';
import { formatTarget, parseTarget } from '../core/target-spec';
import { runTask } from '../ui/tasks';
import { requireTrust } from '../ui/trust';
import type { ViewServices } from './services';
import type { TargetNode, TargetsView } from './targets';

/** The view passes the node that was clicked; the palette passes nothing. */
type Handler = (...args: never[]) => unknown;

const UNDO_DETAIL =
  'Undoing the preparation unloads the kernel modules, takes you out of the group "tracing" again and uninstalls the packages that preparing installed; what was there before stays.';

/** Commands of the Targets view. */
export function registerTargetCommands(services: ViewServices): vscode.Disposable[] {
  const { errors, targets } = services;
  const on = (id: string, handler: Handler): vscode.Disposable =>
    vscode.commands.registerCommand(id, errors.guard(handler));
  const trusted = (id: string, handler: Handler): vscode.Disposable =>
    on(id, (...args) => {
      requireTrust();
      return handler(...args);
    });
  return [
    on(COMMANDS.targetsRefresh, () => targets.refresh()),
    on(COMMANDS.targetsAdd, () => addTarget()),
    on(COMMANDS.targetsRemove, (node: TargetNode) => removeTarget(node)),
    on(COMMANDS.targetsSetDefault, (node: TargetNode) => setDefault(node, targets)),
    trusted(COMMANDS.targetsDoctor, (node?: TargetNode) => doctor(services, node)),
    trusted(COMMANDS.targetsShell, (node?: TargetNode) => shell(services, node)),
    trusted(COMMANDS.targetsUnprepare, (node?: TargetNode) => unprepare(services, node)),
    trusted(COMMANDS.targetsRemoveAgent, (node?: TargetNode) => removeAgent(services, node)),
    trusted(COMMANDS.sandboxStart, (node?: TargetNode) => sandbox(services, node, 'start')),
    trusted(COMMANDS.sandboxStop, (node?: TargetNode) => sandbox(services, node, 'stop')),
    trusted(COMMANDS.sandboxReset, (node?: TargetNode) => resetSandbox(services, node)),
  ];
}

async function chooseTarget(
  { targets }: ViewServices,
  node: TargetNode | undefined,
  title: string,
): Promise<TargetSpec | undefined> {
  if (node !== undefined) return node.target;
  const items = (await targets.targets()).map(({ target, status }) => ({
    label: formatTarget(target),
    description: status?.state ?? '',
    target,
  }));
  const picked = await vscode.window.showQuickPick(items, { title });
  return picked?.target;
}

async function addTarget(): Promise<void> {
  const text = await vscode.window.showInputBox({
    title: 'Add SSH Target',
    prompt: 'user@host, user@host:port or a host alias of ~/.ssh/config',
    placeHolder: 'me@build-machine:22',
    ignoreFocusOut: true,
    validateInput: (value) => {
      if (value === '') return undefined;
      try {
        return parseTarget(value).kind === 'ssh' ? undefined : 'The sandbox is listed already.';
      } catch (thrown) {
        return toSkuaError(thrown).remedy;
      }
    },
  });
  if (text === undefined || text === '') return;
  const target = parseTarget(text);
  if (target.kind !== 'ssh') return;
  const { kind: _kind, ...entry } = target;
  const settings = vscode.workspace.getConfiguration('skua');
  const before = settings.inspect<readonly object[]>('targets')?.globalValue ?? [];
  await settings.update('targets', [...before, entry], vscode.ConfigurationTarget.Global);
}

async function removeTarget({ target }: TargetNode): Promise<void> {
  const settings = vscode.workspace.getConfiguration('skua');
  const values = settings.inspect<readonly unknown[]>('targets');
  const text = formatTarget(target);
  const without = (list: readonly unknown[]): unknown[] =>
    list.filter((entry) => formatTarget(parseTarget(entry)) !== text);
  if (values?.workspaceValue !== undefined) {
    await settings.update('targets', without(values.workspaceValue), vscode.ConfigurationTarget.Workspace);
  }
  if (values?.globalValue !== undefined) {
    await settings.update('targets', without(values.globalValue), vscode.ConfigurationTarget.Global);
  }
}

async function setDefault({ target }: TargetNode, view: TargetsView): Promise<void> {
  await vscode.workspace
    .getConfiguration('skua')
    .update('defaultTarget', formatTarget(target), vscode.ConfigurationTarget.Global);
  view.refresh();
}

async function doctor(services: ViewServices, node: TargetNode | undefined): Promise<void> {
  const target = await chooseTarget(services, node, 'Run Doctor');
  if (target === undefined) return;
  const report = await runTask(
    services.log,
    { title: `Skua: examining ${formatTarget(target)}` },
    (context) => services.core.doctor(target, context),
  );
  services.targets.setReport(target, report);
  for (const step of report.steps)
    services.log.info(`doctor ${formatTarget(target)}: ${step.title}: ${step.state}, ${step.found}`);
  const failed = report.steps.filter(({ state }) => state === 'failed');
  const [first] = failed;
  if (first !== undefined) {
    const message = `Skua: ${formatTarget(target)} cannot be traced yet. ${first.title}: ${first.found}. ${first.remedy ?? ''}`;
    await vscode.commands.executeCommand('skua.targets.focus');
    void vscode.window.showWarningMessage(message);
    return;
  }
  const fixable = report.steps.filter(({ state }) => state === 'fixable').length;
  if (fixable === 0) {
    void vscode.window.showInformationMessage(`Skua: ${formatTarget(target)} is ready for kernel tracing.`);
    return;
  }
  const now = 'Prepare Now…';
  const chosen = await vscode.window.showInformationMessage(
    `Skua: ${formatTarget(target)} can be traced; the first run prepares it (${plural(fixable, 'step')}, asked for before).`,
    now,
  );
  if (chosen === now) await prepareHost(services, target);
}

async function prepareHost(services: ViewServices, target: TargetSpec): Promise<void> {
  const report = await runTask(
    services.log,
    { title: `Skua: preparing ${formatTarget(target)}` },
    (context) => services.core.prepare(target, context),
  );
  services.targets.setReport(target, report);
}

async function shell(services: ViewServices, node: TargetNode | undefined): Promise<void> {
  const target = await chooseTarget(services, node, 'Open Shell on Target');
  if (target === undefined) return;
  const { file, args } = await services.core.shellCommand(target);
  vscode.window
    .createTerminal({
      name: `Skua: ${formatTarget(target)}`,
      shellPath: file,
      shellArgs: [...args],
      iconPath: new vscode.ThemeIcon('remote'),
    })
    .show();
}

/** What happened to the steps is said, also when some could not be undone; true when all were. */
async function undoPreparation(services: ViewServices, target: TargetSpec): Promise<boolean> {
  const text = formatTarget(target);
  const report = await runTask(
    services.log,
    { title: `Skua: undoing the preparation of ${text}` },
    (context) => services.core.unprepare(target, context),
  );
  services.targets.setReport(target, report);
  const stuck = report.steps.find(({ undone }) => undone === false);
  if (stuck?.error !== undefined) services.errors.report(new SkuaError(stuck.error));
  return stuck === undefined;
}

async function unprepare(services: ViewServices, node: TargetNode | undefined): Promise<void> {
  const target = await chooseTarget(services, node, 'Undo Host Preparation');
  if (target === undefined) return;
  const undo = 'Undo Preparation';
  const text = formatTarget(target);
  const chosen = await vscode.window.showWarningMessage(
    `Undo the preparation of ${text}?`,
    { modal: true, detail: `${UNDO_DETAIL} The next run asks before it prepares the host again.` },
    undo,
  );
  if (chosen !== undo || !(await undoPreparation(services, target))) return;
  void vscode.window.showInformationMessage(`Skua: the preparation of ${text} was undone.`);
}

async function removeAgent(services: ViewServices, node: TargetNode | undefined): Promise<void> {
  const target = await chooseTarget(services, node, 'Remove Agent from Target');
  if (target === undefined) return;
  const both = 'Undo Preparation and Remove';
  const filesOnly = 'Remove Files Only';
  const text = formatTarget(target);
  const chosen = await vscode.window.showWarningMessage(
    `Remove Skua from ${text}?`,
    {
      modal: true,
      detail: `Skua's files there (agent, uploads, modules in ~/.local/share/skua) are deleted. ${UNDO_DETAIL}`,
    },
    both,
    filesOnly,
  );
  if (chosen === undefined || (chosen === both && !(await undoPreparation(services, target)))) return;
  await runTask(services.log, { title: `Skua: removing the agent from ${text}` }, (context) =>
    services.core.removeAgent(target, context),
  );
  services.targets.forgetReport(target);
  void vscode.window.showInformationMessage(`Skua: the agent was removed from ${text}.`);
}

async function sandbox(
  services: ViewServices,
  node: TargetNode | undefined,
  verb: 'start' | 'stop',
): Promise<void> {
  const name = node?.target.kind === 'sandbox' ? node.target.name : 'default';
  const title = verb === 'start' ? 'Skua: starting the sandbox' : 'Skua: stopping the sandbox';
  services.targets.setBusy(name, verb === 'start' ? 'starting' : 'stopping');
  try {
    await runTask(
      services.log,
      { title, onStep: (step) => services.targets.setBusy(name, step) },
      (context) => services.core.sandbox[verb](name, context),
    );
  } finally {
    services.targets.setBusy(name, undefined);
  }
}

async function resetSandbox(services: ViewServices, node: TargetNode | undefined): Promise<void> {
  const name = node?.target.kind === 'sandbox' ? node.target.name : 'default';
  const reset = 'Reset Sandbox';
  const chosen = await vscode.window.showWarningMessage(
    'Reset the sandbox?',
    {
      modal: true,
      detail:
        'Its disk is thrown away, with everything that was put on it. The next start is a fresh system.',
    },
    reset,
  );
  if (chosen !== reset) return;
  await runTask(services.log, { title: 'Skua: resetting the sandbox' }, (context) =>
    services.core.sandbox.reset(name, context),
  );
  services.targets.refresh();
}
