import { setTimeout as sleep } from 'node:timers/promises';
import { SkuaError } from '../../common/base/errors';
import { parseMi } from '../lttng/mi';
import type { Facts } from './facts';
import type { Privileged } from './verbs';

const PID_FILE = '/run/lttng/lttng-sessiond.pid';
const SERVICE_FILES = [
  '/lib/systemd/system/lttng-sessiond.service',
  '/usr/lib/systemd/system/lttng-sessiond.service',
  '/etc/systemd/system/lttng-sessiond.service',
];

/** The root session daemon: the distribution's service where there is one, else a process of its own. */
export class Sessiond {
  constructor(
    private readonly facts: Facts,
    private readonly privileged: Privileged,
  ) {}

  /** Process id of the running root session daemon. A pid file left behind by a dead one does not count. */
  async pid(): Promise<number | undefined> {
    const pid = Number((await this.facts.readText(PID_FILE))?.trim() ?? '');
    if (!Number.isInteger(pid) || pid < 2) return undefined;
    const name = await this.facts.readText(`/proc/${pid}/comm`);
    return name?.startsWith('lttng-sessiond') === true ? pid : undefined;
  }

  async running(): Promise<boolean> {
    return (await this.pid()) !== undefined;
  }

  private async hasService(): Promise<boolean> {
    if (!(await this.facts.exists('/run/systemd/system'))) return false;
    for (const file of SERVICE_FILES) if (await this.facts.exists(file)) return true;
    return false;
  }

  /**
   * Names of all sessions of the daemon, whoever made them. Undefined when this user cannot ask: only root sees everybody's.
   * Throws `module-in-use` when a running daemon will not tell.
   */
  async sessions(): Promise<readonly string[] | undefined> {
    if (!(await this.running())) return [];
    if (!(await this.privileged.available())) return undefined;
    const result = await this.privileged.try({ verb: 'list-lttng-sessions' }, { timeoutMs: 60_000 });
    const reply = parseMi(result.stdout);
    if (reply === undefined) {
      throw new SkuaError({
        code: 'module-in-use',
        message: 'The session daemon did not say which LTTng sessions exist, so its modules were left alone.',
        remedy: 'Try `sudo lttng list` on the host; restart the service lttng-sessiond when it hangs.',
        detail: result.stderr,
      });
    }
    return reply.sessions.map((session) => session.name);
  }

  /** Stops the daemon and waits for its end. Returns whether one ran. */
  async stop(): Promise<boolean> {
    const pid = await this.pid();
    if (pid === undefined) return false;
    if (await this.hasService())
      await this.privileged.try({ verb: 'stop-sessiond-service' }, { timeoutMs: 120_000 });
    if ((await this.pid()) !== undefined) await this.privileged.try({ verb: 'terminate-sessiond', pid });
    for (let i = 0; i < 100; i += 1) {
      if ((await this.pid()) === undefined) return true;
      await sleep(100);
    }
    throw new SkuaError({
      code: 'lttng-failed',
      message: `The LTTng session daemon (pid ${pid}) does not end.`,
      remedy: `End it by hand on the host: sudo pkill -KILL 'lttng-(sessiond|consumerd)'.`,
    });
  }

  /** Starts the daemon and waits until it answers. */
  async start(): Promise<'service' | 'spawned' | 'running'> {
    if (await this.running()) return 'running';
    const service = await this.hasService();
    const failed = (output: string): SkuaError =>
      new SkuaError({
        code: 'lttng-failed',
        message: 'The LTTng session daemon could not be started.',
        remedy: 'Look at `journalctl -u lttng-sessiond` on the host.',
        detail: output,
      });
    await this.privileged.perform({ verb: service ? 'start-sessiond-service' : 'spawn-sessiond' }, failed);
    for (let i = 0; i < 300; i += 1) {
      if (await this.running()) {
        const reply = await this.privileged.try({ verb: 'list-lttng-sessions' }, { timeoutMs: 60_000 });
        if (reply.code === 0) return service ? 'service' : 'spawned';
      }
      await sleep(100);
    }
    throw failed('It did not answer within 30 s.');
  }
}
