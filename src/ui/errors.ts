import * as vscode from 'vscode';
import { toSkuaError, type SkuaError } from '../../common/base/errors';
import { COMMANDS } from '../commands';
import { REMEDIES, REMEDY_TITLE, type Remedy } from './remedies';

const ACTIONS: Readonly<Record<Remedy, () => Thenable<unknown>>> = {
  log: () => vscode.commands.executeCommand(COMMANDS.showLog),
  doctor: () => vscode.commands.executeCommand(COMMANDS.targetsDoctor),
  settings: () => vscode.commands.executeCommand(COMMANDS.openSettings),
  launch: () => vscode.commands.executeCommand('workbench.action.debug.configure'),
  targets: () => vscode.commands.executeCommand('skua.targets.focus'),
  space: () => vscode.commands.executeCommand(COMMANDS.tracesOpenFolder),
  'reset-sandbox': () => vscode.commands.executeCommand(COMMANDS.sandboxReset),
};

/** The one way from anything thrown to the user: the sentence and the remedy in a message, the detail in the log. */
export class ErrorFunnel {
  constructor(private readonly log: vscode.LogOutputChannel) {}

  /** Shows the error and returns it. Does not wait for the person; a cancelled action shows nothing. */
  report(thrown: unknown): SkuaError {
    const error = toSkuaError(thrown);
    if (error.code === 'cancelled') {
      this.log.info(error.message);
      return error;
    }
    this.write(error);
    const remedies = REMEDIES[error.code];
    const buttons = remedies.map((remedy) => REMEDY_TITLE[remedy]);
    void vscode.window.showErrorMessage(`Skua: ${sentence(error)}`, ...buttons).then(async (chosen) => {
      const remedy = remedies.find((r) => REMEDY_TITLE[r] === chosen);
      if (remedy !== undefined) await ACTIONS[remedy]();
    });
    return error;
  }

  /** Only into the log: for work that the user did not start. */
  write(thrown: unknown): SkuaError {
    const error = toSkuaError(thrown);
    this.log.error(
      `${error.code}: ${sentence(error)}${error.detail === undefined ? '' : `\n${error.detail}`}`,
    );
    return error;
  }

  /** A command handler whose failure reaches the user. */
  guard<A extends never[]>(handler: (...args: A) => unknown): (...args: A) => Promise<unknown> {
    return async (...args) => {
      try {
        return await handler(...args);
      } catch (thrown) {
        this.report(thrown);
        return undefined;
      }
    };
  }
}

export function sentence(error: SkuaError): string {
  if (error.code === 'internal') return `Something went wrong inside Skua: ${error.message}`;
  return error.remedy === '' ? error.message : `${error.message} ${error.remedy}`;
}
