import type { SkuaErrorCode } from '../../common/base/errors';

/** What a message box offers beside its text. */
export type Remedy = 'log' | 'doctor' | 'settings' | 'launch' | 'targets' | 'space' | 'reset-sandbox';

export const REMEDY_TITLE: Readonly<Record<Remedy, string>> = {
  log: 'Open Log',
  doctor: 'Run Doctor',
  settings: 'Open Settings',
  launch: 'Open launch.json',
  targets: 'Show Targets',
  space: 'Open Traces Folder',
  'reset-sandbox': 'Reset Sandbox',
};

const HOST: readonly Remedy[] = ['doctor', 'log'];
const LOGIN: readonly Remedy[] = ['settings', 'log'];
const LAUNCH: readonly Remedy[] = ['launch', 'log'];

/** Buttons of an error, the most useful first. A record over all codes, so that a new code needs a decision here. */
export const REMEDIES: Readonly<Record<SkuaErrorCode, readonly Remedy[]>> = {
  'auth-failed': LOGIN,
  'host-key-changed': LOGIN,
  'host-key-unknown': LOGIN,
  'host-unreachable': ['targets', 'settings', 'log'],
  'connection-lost': ['log'],
  cancelled: [],
  'no-sudo': HOST,
  'no-headers': HOST,
  'no-compiler': HOST,
  'module-refused': HOST,
  'module-build-failed': HOST,
  'module-in-use': HOST,
  'secure-boot': HOST,
  'lttng-missing': HOST,
  'lttng-failed': HOST,
  'relayd-failed': HOST,
  'live-stream-truncated': ['log'],
  'ctf-metadata-invalid': ['log'],
  'ctf-unknown-type': ['log'],
  'ctf-packet-invalid': ['log'],
  'context-device-missing': HOST,
  'context-permission': HOST,
  'program-not-found': LAUNCH,
  'program-not-executable': LAUNCH,
  'build-command-failed': LAUNCH,
  'agent-start-failed': HOST,
  'agent-protocol': ['log'],
  'agent-version': ['log'],
  'upload-failed': LAUNCH,
  'disk-full': ['space', 'log'],
  'port-in-use': ['log'],
  'sandbox-tools-missing': ['log'],
  'sandbox-build-failed': ['reset-sandbox', 'log'],
  'sandbox-boot-failed': ['reset-sandbox', 'log'],
  'file-invalid': ['log'],
  'file-too-new': ['log'],
  'export-failed': ['log'],
  'symbols-failed': ['log'],
  'config-invalid': ['launch', 'settings'],
  internal: ['log'],
};
