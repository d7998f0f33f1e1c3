/**
 * Expected failures. Each has a stable code, says what happened in one sentence and what the user can do about it.
 * Bugs are not SkuaErrors: they are thrown as plain Errors and reach the user through the same funnel as "internal".
 */
export type SkuaErrorCode =
  | 'auth-failed'
  | 'host-key-changed'
  | 'host-key-unknown'
  | 'host-unreachable'
  | 'connection-lost'
  | 'cancelled'
  | 'no-sudo'
  | 'no-headers'
  | 'no-compiler'
  | 'module-refused'
  | 'module-build-failed'
  | 'module-in-use'
  | 'secure-boot'
  | 'lttng-missing'
  | 'lttng-failed'
  | 'relayd-failed'
  | 'live-stream-truncated'
  | 'ctf-metadata-invalid'
  | 'ctf-unknown-type'
  | 'ctf-packet-invalid'
  | 'context-device-missing'
  | 'context-permission'
  | 'program-not-found'
  | 'program-not-executable'
  | 'build-command-failed'
  | 'agent-start-failed'
  | 'agent-protocol'
  | 'agent-version'
  | 'upload-failed'
  | 'disk-full'
  | 'port-in-use'
  | 'sandbox-tools-missing'
  | 'sandbox-build-failed'
  | 'sandbox-boot-failed'
  | 'file-invalid'
  | 'file-too-new'
  | 'export-failed'
  | 'symbols-failed'
  | 'config-invalid'
  | 'internal';

/** The shape in which an error crosses a process boundary. */
export interface SkuaErrorData {
  readonly code: SkuaErrorCode;
  /** One sentence: what happened, with the names that matter. */
  readonly message: string;
  /** What the user can do about it; empty only for 'internal' and 'cancelled'. */
  readonly remedy: string;
  /** Output of a failed command, a byte offset, …: shown on request. */
  readonly detail?: string;
}

export class SkuaError extends Error {
  override readonly name = 'SkuaError';
  readonly code: SkuaErrorCode;
  readonly remedy: string;
  readonly detail: string | undefined;

  constructor(data: SkuaErrorData, options?: { readonly cause?: unknown }) {
    super(data.message, options);
    this.code = data.code;
    this.remedy = data.remedy;
    this.detail = data.detail;
  }

  toData(): SkuaErrorData {
    return {
      code: this.code,
      message: this.message,
      remedy: this.remedy,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
    };
  }
}

/** The one funnel from anything thrown to something that can be shown or sent. */
export function toSkuaError(thrown: unknown): SkuaError {
  if (thrown instanceof SkuaError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const detail = thrown instanceof Error ? thrown.stack : undefined;
  return new SkuaError(
    { code: 'internal', message, remedy: '', ...(detail === undefined ? {} : { detail }) },
    { cause: thrown },
  );
}
