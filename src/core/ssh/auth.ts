import { readFile } from 'node:fs/promises';
import { OpenSSHAgent, utils, type AnyAuthMethod, type IdentityCallback, type ParsedKey } from 'ssh2';
import { SkuaError } from '../../../common/base/errors';
import type { Prompter } from '../api';
import { cancelled } from '../process';
import type { Hop } from './config';

export interface Prompt {
  readonly prompt: string;
  readonly echo?: boolean;
}

/** What may prove who the user is, in the order ssh tries it. Nothing read or typed here is kept. */
export interface Identity {
  readonly username: string;
  /** The next method to try, given those the server would still accept (null: not known yet); undefined when all were tried. */
  next(acceptable: readonly string[] | null): Promise<AnyAuthMethod | undefined>;
  /** For the error message: what was tried. */
  readonly tried: readonly string[];
}

const PASSWORD_TRIES = 3;

/** A login with one private key and nothing else, as the sandbox's. */
export function keyIdentity(username: string, privateKey: string): Identity {
  const methods: AnyAuthMethod[] = [{ type: 'publickey', username, key: privateKey }];
  return { username, tried: ['key'], next: () => Promise.resolve(methods.shift()) };
}

/**
 * The user's own identities for a hop: agent, key files (asking for a passphrase when one is encrypted), keyboard-interactive,
 * password. Passphrases and passwords are asked for only once the server has said that it takes that method.
 */
export function userIdentity(hop: Hop, prompter: Prompter): Identity {
  const tried: string[] = [];
  const steps = methods(hop, prompter, tried);
  let acceptable: readonly string[] | null = null;
  return {
    username: hop.user,
    tried,
    next: async (now) => {
      acceptable = now ?? acceptable;
      for (;;) {
        const step = await steps.next();
        if (step.done === true) return undefined;
        const method = await step.value(acceptable);
        if (method !== undefined) return method;
      }
    },
  };
}

/** A method that is only prepared (read, decrypted, asked for) when its turn comes; undefined skips it. */
type Step = (acceptable: readonly string[] | null) => Promise<AnyAuthMethod | undefined>;

async function* methods(hop: Hop, prompter: Prompter, tried: string[]): AsyncGenerator<Step, void> {
  const username = hop.user;
  const accepts = (acceptable: readonly string[] | null, name: string): boolean =>
    acceptable?.includes(name) ?? true;
  yield () => Promise.resolve({ type: 'none', username });

  const files = await Promise.all(
    hop.identityFiles.map(async (path) => ({
      path,
      text: await readFile(path, 'utf8').catch(() => undefined),
    })),
  );
  const agentSocket = hop.agentSocket;
  if (agentSocket !== undefined) {
    const only = hop.identitiesOnly ? await publicKeys(hop.identityFiles) : undefined;
    yield (acceptable) => {
      if (!accepts(acceptable, 'publickey')) return Promise.resolve(undefined);
      tried.push('agent');
      return Promise.resolve({ type: 'agent', username, agent: new FilteredAgent(agentSocket, only) });
    };
  }
  for (const { path, text } of files) {
    if (text === undefined) continue;
    yield async (acceptable) => {
      if (!accepts(acceptable, 'publickey')) return undefined;
      const key = await unlock(path, text, prompter);
      if (key === undefined) return undefined;
      tried.push(path);
      return { type: 'publickey', username, key };
    };
  }
  yield (acceptable) => {
    if (!accepts(acceptable, 'keyboard-interactive')) return Promise.resolve(undefined);
    tried.push('keyboard-interactive');
    return Promise.resolve({ type: 'keyboard-interactive', username, prompt: answer(hop, prompter) });
  };
  for (let turn = 0; turn < PASSWORD_TRIES; turn++) {
    yield async (acceptable) => {
      if (!accepts(acceptable, 'password')) return undefined;
      const again = turn === 0 ? '' : 'That password was not accepted. ';
      const password = await prompter.password(`${again}Password for ${username}@${hop.alias}`);
      if (password === undefined) throw cancelled(`Logging in to ${hop.alias}`);
      if (turn === 0) tried.push('password');
      return { type: 'password', username, password };
    };
  }
}

/** Decrypts a key file, asking for its passphrase up to three times. Undefined: not a private key, or the user declined. */
async function unlock(path: string, text: string, prompter: Prompter): Promise<ParsedKey | undefined> {
  let key = utils.parseKey(text);
  for (let turn = 0; key instanceof Error && turn < PASSWORD_TRIES; turn++) {
    if (!/passphrase|encrypted/i.test(key.message)) return undefined;
    const passphrase = await prompter.password(
      turn === 0 ? `Passphrase for ${path}` : `That passphrase does not open ${path}. Passphrase`,
    );
    if (passphrase === undefined) return undefined;
    key = utils.parseKey(text, passphrase);
  }
  return key instanceof Error ? undefined : key;
}

function answer(
  hop: Hop,
  prompter: Prompter,
): (
  name: string,
  instructions: string,
  lang: string,
  prompts: Prompt[],
  finish: (answers: string[]) => void,
) => void {
  return (name, instructions, _lang, prompts, finish) => {
    void (async () => {
      const answers: string[] = [];
      for (const { prompt } of prompts) {
        const title = [name, instructions, `${hop.user}@${hop.alias}: ${prompt}`]
          .filter((part) => part !== '')
          .join(' — ');
        const text = await prompter.password(title);
        if (text === undefined) break; // Fewer answers than questions fail this method, and the next is tried.
        answers.push(text);
      }
      finish(answers);
    })();
  };
}

/** The user's agent, limited to the keys the configuration names when IdentitiesOnly is set. */
class FilteredAgent extends OpenSSHAgent {
  constructor(
    socket: string,
    private readonly only: readonly Buffer[] | undefined,
  ) {
    super(socket);
  }

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    super.getIdentities((error, keys) => {
      const only = this.only;
      if (keys === undefined || only === undefined) done(error ?? undefined, keys);
      else
        done(
          undefined,
          (keys as readonly unknown[]).filter((key): key is ParsedKey =>
            only.some((k) => k.equals(blobOf(key))),
          ),
        );
    });
  }
}

/** ssh2 hands the agent's keys over parsed or as `{ pubKey: { pubKey } }`, depending on the key. */
function blobOf(key: unknown): Buffer {
  const parsed = utils.parseKey(key as Buffer);
  return parsed instanceof Error ? Buffer.alloc(0) : parsed.getPublicSSH();
}

async function publicKeys(identityFiles: readonly string[]): Promise<readonly Buffer[]> {
  const texts = await Promise.all(
    identityFiles.map((path) =>
      readFile(`${path}.pub`, 'utf8').catch(() => readFile(path, 'utf8').catch(() => '')),
    ),
  );
  return texts.flatMap((text) => {
    const key = utils.parseKey(text);
    return key instanceof Error ? [] : [key.getPublicSSH()];
  });
}

export function authFailed(
  hop: Pick<Hop, 'alias' | 'user'>,
  tried: readonly string[],
  cause: unknown,
): SkuaError {
  return new SkuaError(
    {
      code: 'auth-failed',
      message: `${hop.alias} did not accept the login of ${hop.user}.`,
      remedy:
        `Tried: ${tried.length === 0 ? 'nothing (no key, and the server takes no password)' : tried.join(', ')}. ` +
        `Check that "ssh ${hop.user}@${hop.alias}" works in a terminal.`,
    },
    { cause },
  );
}
