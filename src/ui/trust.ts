import * as vscode from 'vscode';
import { SkuaError } from '../../common/base/errors';

/**
 * Throws SkuaError `config-invalid` in an untrusted workspace. `enablement` in package.json hides what needs trust, but commands can also be
 * called by keybindings and other extensions.
 */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new SkuaError({
    code: 'config-invalid',
    message: 'Programs run only in a trusted workspace.',
    remedy:
      'Trust this workspace ("Workspaces: Manage Workspace Trust"); recorded traces can be viewed without.',
  });
}
