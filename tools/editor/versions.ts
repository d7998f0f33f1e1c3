/**
 * The VS Code that the editor tests and the demo run: code-server is an npm package with VS Code's server, extension host and web workbench
 * of the same minor version as its own (4.139.1 → VS Code 1.139.1). It needs Node 24, which comes as an npm package too.
 */
export const CODE_SERVER_VERSION = '4.139.1';
export const NODE_VERSION = '24.21.0';
