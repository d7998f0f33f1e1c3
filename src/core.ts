/** What the extension uses of the core, in one place: an interface, so that the views can be looked at without a target. */
import type { HostReport } from '../common/protocol/agent';
import type { CoreContext, TargetSpec } from './core/api';
import {
  listSandboxes,
  resetSandbox,
  sandboxStatus,
  startSandbox,
  stopSandbox,
  type SandboxStatus,
} from './core/sandbox/instance';
import { doctor, prepare, removeAgent, unprepare } from './core/session/host';
import { startRun } from './core/session/run';
import { shellCommand } from './core/session/shell';
import type { StartRun } from './runs/liveRun';

export interface CoreServices {
  readonly startRun: StartRun;
  doctor(target: TargetSpec, context: CoreContext): Promise<HostReport>;
  prepare(target: TargetSpec, context: CoreContext): Promise<HostReport>;
  /** Undoes what `prepare` has done; the report says what could not be undone. */
  unprepare(target: TargetSpec, context: CoreContext): Promise<HostReport>;
  removeAgent(target: TargetSpec, context: CoreContext): Promise<void>;
  /** Program and arguments of an interactive shell on the target. */
  shellCommand(target: TargetSpec): Promise<{ readonly file: string; readonly args: readonly string[] }>;
  readonly sandbox: {
    list(): Promise<readonly SandboxStatus[]>;
    status(name: string): Promise<SandboxStatus>;
    start(name: string, context: CoreContext): Promise<void>;
    stop(name: string, context: CoreContext): Promise<void>;
    reset(name: string, context: CoreContext): Promise<void>;
  };
}

export const core: CoreServices = {
  startRun,
  doctor,
  prepare,
  unprepare,
  removeAgent,
  shellCommand,
  sandbox: {
    list: listSandboxes,
    status: sandboxStatus,
    async start(name, context) {
      const connection = await startSandbox(name, context);
      await connection.dispose();
    },
    stop: stopSandbox,
    reset: resetSandbox,
  },
};
