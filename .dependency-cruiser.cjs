/**
 * The import rule of docs/architecture.md, one entry per room. `npm run check` also runs it over a planted violation of each rule
 * (tools/check-imports.mjs), so that a misconfigured checker cannot pass.
 */
const inRoom = (room) => `^${room}/`;
/** The editor's API is a module that only its extension host provides; it resolves to its types, or not at all. */
const vscode = '^vscode$|(^|/)node_modules/@types/vscode/';
const tests = '(\\.test\\.ts$)|(^test/)|(^bench/)|(^tools/)';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'common-imports-itself-only',
      comment:
        'common/ runs in the editor, in a browser and on the target: no vscode, no node:, no other room.',
      severity: 'error',
      from: { path: inRoom('common'), pathNot: tests },
      to: { pathNot: ['^common/', '(^|/)node_modules/(apache-arrow|@msgpack/msgpack)/'] },
    },
    {
      name: 'agent-imports-common-and-node',
      severity: 'error',
      from: { path: inRoom('remote-agent'), pathNot: tests },
      to: { path: `^(src|webview|test|bench|tools)/|${vscode}` },
    },
    {
      name: 'webview-imports-common-only',
      severity: 'error',
      from: { path: inRoom('webview'), pathNot: tests },
      to: { path: `^(src|remote-agent|test|bench|tools)/|${vscode}` },
    },
    {
      name: 'webview-uses-no-node-builtin',
      severity: 'error',
      from: { path: inRoom('webview'), pathNot: tests },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'src-imports-common',
      severity: 'error',
      from: { path: inRoom('src'), pathNot: tests },
      to: { path: '^(webview|remote-agent|test|bench|tools)/' },
    },
    {
      name: 'core-and-cli-know-no-editor',
      comment: 'src/core and src/cli do the same work without an editor.',
      severity: 'error',
      from: { path: '^src/(core|cli)/' },
      to: { path: `${vscode}|^src/(?!core/|cli/)` },
    },
    {
      name: 'core-knows-no-cli',
      severity: 'error',
      from: { path: '^src/(?!cli/)' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'toolkit-behind-one-file',
      comment: 'Upstream archived it: one file to replace.',
      severity: 'error',
      from: { pathNot: '^webview/controls\\.ts$' },
      to: { path: 'webview-ui-toolkit' },
    },
    {
      name: 'privilege-in-host-only',
      comment: 'Only remote-agent/host/ performs privileged acts; others ask its verbs.',
      severity: 'error',
      from: { path: '^remote-agent/', pathNot: ['^remote-agent/host/', tests] },
      to: { path: '^remote-agent/host/verbs' },
    },
    {
      name: 'clients-know-nothing-of-the-app',
      comment:
        'Users load them into their programs. The C and C++ ones are checked by tools/check-imports.mjs.',
      severity: 'error',
      from: { path: inRoom('clients'), pathNot: tests },
      to: {
        pathNot: ['^clients/', '(^|/)node_modules/(jaeger-client|opentracing)/', '^[^/.]+$'],
      },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^vscode$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|out|test/fixtures)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.depcruise.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.json', '.d.ts'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
