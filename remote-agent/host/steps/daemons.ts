import { parseMi } from '../../lttng/mi';
import { CONTEXT_FILE, TRACING_GROUP, type Facts } from '../facts';
import { loadedModules } from '../loading';
import type { Sessiond } from '../sessiond';
import type { PreparedStore } from '../state';
import type { Step } from '../step';
import type { Privileged } from '../verbs';
import { moduleLoader, type StepInputs } from './modules';
import { needsNewLogin } from './rights';

export function sessiondStep(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  sessiond: Sessiond,
  inputs: StepInputs,
): Step {
  return {
    id: 'sessiond',
    title: 'LTTng session daemon with kernel tracing',
    needs: ['lttng-tools', 'modules', 'sudo'],
    check: async () => {
      if (!(await facts.hasProgram('lttng'))) return { state: 'skipped', found: 'Waits for the LTTng tools' };
      if (await needsNewLogin(facts)) return { state: 'skipped', found: 'Can be asked after the next login' };
      if (!(await sessiond.running())) {
        return {
          state: 'fixable',
          found: 'No root session daemon runs',
          remedy: 'Starts it (its service, or by itself).',
        };
      }
      const listing = await facts.run('lttng', ['--mi', 'xml', 'list', '--kernel'], { timeoutMs: 60_000 });
      if (listing.signal === 'SIGKILL') {
        return {
          state: 'fixable',
          found: 'Running, but it does not answer',
          remedy: 'Restarts it, which ends all LTTng sessions of this host.',
        };
      }
      const events = parseMi(listing.stdout);
      if (events?.success === true && events.events.length > 0) {
        return { state: 'ok', found: `Running, ${events.events.length} kernel tracepoints` };
      }
      return {
        state: 'fixable',
        found: 'Running, but without the kernel tracer',
        remedy: 'Restarts it, so that it finds the modules.',
        inVain: {
          code: 'lttng-failed',
          message:
            'The LTTng session daemon runs, but found no kernel tracer, though its modules are loaded.',
          remedy:
            'Its log says what it misses (journalctl -u lttng-sessiond): mostly the indexes of /lib/modules for the running kernel, which `sudo depmod` makes.',
        },
      };
    },
    do: async (run) => {
      await sessiond.stop();
      try {
        // A daemon that ends in order takes a part of the modules along, and finds none when it starts again.
        const loaded = await loadedModules(facts);
        if (loaded?.complete === false) await (await moduleLoader(facts, privileged, store, inputs, run))();
      } finally {
        if ((await sessiond.start()) === 'spawned') await store.update({ spawnedSessiond: true });
      }
    },
    undo: async () => {
      if ((await store.read()).spawnedSessiond === true) {
        await sessiond.stop();
        await store.update({ spawnedSessiond: false });
      }
    },
  };
}

export function relaydStep(facts: Facts): Step {
  return {
    id: 'relayd',
    title: 'LTTng relay daemon',
    needs: [],
    check: async () =>
      (await facts.hasProgram('lttng-relayd'))
        ? { state: 'ok', found: 'lttng-relayd is installed; each session starts its own on loopback' }
        : { state: 'skipped', found: 'Comes with the LTTng tools' },
  };
}

export function contextDeviceStep(facts: Facts): Step {
  return {
    id: 'context-device',
    title: `Access to ${CONTEXT_FILE}`,
    needs: ['modules', 'tracing-group'],
    check: async () => {
      if (!(await facts.exists('/proc/skua')))
        return { state: 'skipped', found: "Comes with Skua's modules" };
      if (await facts.writable(CONTEXT_FILE)) return { state: 'ok', found: 'Writable' };
      if (await needsNewLogin(facts)) return { state: 'skipped', found: 'Writable from the next login on' };
      const group = await facts.group(TRACING_GROUP);
      if (group === undefined || !facts.processGroups().includes(group.gid)) {
        return { state: 'skipped', found: `Writable once ${facts.user} is in the group ${TRACING_GROUP}` };
      }
      return {
        state: 'failed',
        found: `Not writable by ${facts.user}`,
        error: {
          code: 'context-permission',
          message: `${CONTEXT_FILE} cannot be written by ${facts.user}.`,
          remedy: `The file belongs to the group given when the modules were loaded. Undo the preparation and prepare again, or add ${facts.user} to that group (ls -l ${CONTEXT_FILE}).`,
        },
      };
    },
  };
}
