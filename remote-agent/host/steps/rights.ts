import { SkuaError } from '../../../common/base/errors';
import { CONTEXT_FILE, TRACING_GROUP, type Facts } from '../facts';
import { loadedModules } from '../loading';
import type { Sessiond } from '../sessiond';
import type { PreparedStore } from '../state';
import type { Step } from '../step';
import { noSudo, type Privileged } from '../verbs';

export function sudoStep(facts: Facts, privileged: Privileged, sessiond: Sessiond): Step {
  return {
    id: 'sudo',
    title: 'Commands as root',
    needs: [],
    check: async () => {
      const access = await privileged.access();
      switch (access) {
        case 'root':
          return { state: 'ok', found: 'The user is root' };
        case 'free':
          return { state: 'ok', found: 'sudo works without a password' };
        case 'password':
          return { state: 'ok', found: 'sudo works with the password given' };
        case 'password-needed':
        case 'refused':
        case 'no-sudo':
      }
      const prepared =
        (await loadedModules(facts))?.compatible === true &&
        (await facts.writable(CONTEXT_FILE)) &&
        (await sessiond.running());
      if (prepared) {
        return { state: 'skipped', found: 'No sudo, and none needed: the host is prepared' };
      }
      if (access === 'password-needed') {
        return {
          state: 'fixable',
          found: 'sudo asks for a password',
          remedy: `Asks for the password of ${facts.user} on ${facts.hostname}. It is used for this preparation only and not stored.`,
        };
      }
      return {
        state: 'failed',
        found: access === 'no-sudo' ? 'There is no sudo' : 'sudo did not accept the password',
        error: noSudo(access).toData(),
      };
    },
  };
}

export function tracingGroupStep(facts: Facts, privileged: Privileged, store: PreparedStore): Step {
  const failure = (output: string): SkuaError =>
    new SkuaError({
      code: 'context-permission',
      message: `The user ${facts.user} could not be added to the group ${TRACING_GROUP}.`,
      remedy: `Run as root: usermod -aG ${TRACING_GROUP} ${facts.user}; then connect again.`,
      detail: output,
    });
  return {
    id: 'tracing-group',
    title: `Membership of the group ${TRACING_GROUP}`,
    needs: ['sudo', 'lttng-tools'],
    check: async () => {
      const group = await facts.group(TRACING_GROUP);
      if (group === undefined) {
        return {
          state: 'fixable',
          found: `The group ${TRACING_GROUP} does not exist`,
          remedy: `Creates it and adds ${facts.user}.`,
        };
      }
      if (facts.uid === 0) return { state: 'ok', found: 'The user is root' };
      if (facts.processGroups().includes(group.gid))
        return { state: 'ok', found: `${facts.user} is a member` };
      if (group.members.includes(facts.user)) {
        return { state: 'ok', found: `${facts.user} is a member from the next login on` };
      }
      return {
        state: 'fixable',
        found: `${facts.user} is not a member`,
        remedy: `Adds ${facts.user}; a new login is needed then.`,
      };
    },
    do: async () => {
      if ((await facts.group(TRACING_GROUP)) === undefined) {
        await privileged.perform({ verb: 'create-group', group: TRACING_GROUP }, failure);
        await store.update({ createdGroup: true });
      }
      if (facts.uid === 0) return;
      await privileged.perform({ verb: 'join-group', user: facts.user, group: TRACING_GROUP }, failure);
      await store.update({ joinedGroup: true });
    },
    undo: async () => {
      const state = await store.read();
      if (state.joinedGroup === true) {
        await privileged.perform({ verb: 'leave-group', user: facts.user, group: TRACING_GROUP }, failure);
        await store.update({ joinedGroup: false });
      }
      if (state.createdGroup === true) {
        await privileged.perform({ verb: 'delete-group', group: TRACING_GROUP }, failure);
        await store.update({ createdGroup: false });
      }
    },
  };
}

/** True when the user is in the group by /etc/group but this login does not have it yet. */
export async function needsNewLogin(facts: Facts): Promise<boolean> {
  if (facts.uid === 0) return false;
  const group = await facts.group(TRACING_GROUP);
  return (
    group !== undefined && group.members.includes(facts.user) && !facts.processGroups().includes(group.gid)
  );
}
