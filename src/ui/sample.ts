import * as vscode from 'vscode';
import { SkuaError } from '../../common/base/errors';

/** Copies the sample that comes with the extension into a folder of the user's choice and opens it. */
export async function openSample(extensionUri: vscode.Uri): Promise<void> {
  const [parent] =
    (await vscode.window.showOpenDialog({
      title: 'Where should the sample go?',
      openLabel: 'Put the Sample Here',
      canSelectFiles: false,
      canSelectFolders: true,
    })) ?? [];
  if (parent === undefined) return;
  const folder = vscode.Uri.joinPath(parent, 'skua-sample');
  try {
    await vscode.workspace.fs.copy(vscode.Uri.joinPath(extensionUri, 'examples', 'sample'), folder, {
      overwrite: false,
    });
  } catch (error) {
    if (!(error instanceof vscode.FileSystemError) || error.code !== 'FileExists') {
      throw new SkuaError(
        {
          code: 'export-failed',
          message: `The sample could not be copied to ${folder.fsPath}.`,
          remedy: 'Choose another folder.',
        },
        { cause: error },
      );
    }
    // The sample is there already, perhaps changed: open it as it is.
  }
  await vscode.commands.executeCommand('vscode.openFolder', folder, { forceNewWindow: false });
}
