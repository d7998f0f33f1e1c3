import type { AgentRequests, HostReport, ModuleInputs } from '../../../common/protocol/agent';
import type { CoreContext, TargetSpec } from '../api';
import { deployKernelSource, deployModules, modulesFolder } from '../deploy/deploy';
import { modulesHash } from '../deploy/kernel-source';
import { ensureImage } from '../sandbox/build';
import { cachedModules, ensureModules } from '../sandbox/modules';
import { quote } from '../ssh/connection';
import type { OpenTarget } from './target';

/** As often as sudo itself asks. */
const PASSWORD_TRIES = 3;

/** What stands between the target and tracing with this Skua's modules. Changes nothing. */
export async function checkHost(open: OpenTarget, context: CoreContext): Promise<HostReport> {
  return open.agent.request('doctor', await moduleInputs(open), { signal: context.signal });
}

/** The agent's prepare, with what it needs brought to the target first, and with sudo's password when sudo asks for one. */
export async function prepareHost(
  target: TargetSpec,
  open: OpenTarget,
  report: HostReport,
  context: CoreContext,
): Promise<AgentRequests['prepare'][1]> {
  const inputs = await moduleInputs(open);
  const sourceDir = needsModules(report) ? await bringModules(target, open, inputs, context) : undefined;
  const params = { ...inputs, ...(sourceDir === undefined ? {} : { sourceDir }) };
  return withPassword(
    sudoAsks(report),
    open,
    context,
    (sudoPassword) => {
      context.progress.report(`Preparing ${open.ssh.alias}`);
      return open.agent.request(
        'prepare',
        { ...params, ...sudoPassword },
        {
          signal: context.signal,
          onProgress: (step, fraction) => {
            context.progress.report(`Preparing ${open.ssh.alias}: ${step}`, fraction);
          },
        },
      );
    },
    (prepared) => prepared.report,
  );
}

/** The agent's unprepare, with sudo's password when there is something to undo for which sudo asks for it. */
export function unprepareHost(open: OpenTarget, context: CoreContext): Promise<HostReport> {
  return withPassword(
    false,
    open,
    context,
    (sudoPassword) => {
      context.progress.report(`Undoing the preparation of ${open.ssh.alias}`);
      return open.agent.request('unprepare', sudoPassword, { signal: context.signal });
    },
    (report) => report,
  );
}

/**
 * Repeats a request with the password that the person gives, as long as sudo wants another. The password lives in this call only.
 * When nobody gives one, the request's report says what could not be done.
 */
async function withPassword<T>(
  askFirst: boolean,
  open: OpenTarget,
  context: CoreContext,
  request: (params: { readonly sudoPassword?: string }) => Promise<T>,
  reportOf: (result: T) => HostReport,
): Promise<T> {
  const prompt = `Password for sudo on ${open.ssh.alias}`;
  let password = askFirst ? await context.prompter.password(prompt) : undefined;
  for (let tries = 1; ; tries++) {
    const result = await request(password === undefined ? {} : { sudoPassword: password });
    const refused = reportOf(result).steps.some((step) => step.error?.code === 'no-sudo');
    // Nobody gave the first password: then nobody is asked again.
    if (!refused || tries > PASSWORD_TRIES || (askFirst && password === undefined)) return result;
    password = await context.prompter.password(password === undefined ? prompt : `Not accepted. ${prompt}`);
    if (password === undefined) return result;
  }
}

function sudoAsks(report: HostReport): boolean {
  return report.steps.some((step) => step.id === 'sudo' && step.state === 'fixable');
}

async function moduleInputs(open: OpenTarget): Promise<Required<ModuleInputs>> {
  const hash = await modulesHash();
  return { modulesHash: hash, modulesDir: modulesFolder(open.facts, open.facts.kernelRelease, hash) };
}

function needsModules(report: HostReport): boolean {
  return report.steps.some(
    (step) => ['headers', 'build', 'modules'].includes(step.id) && step.state !== 'ok',
  );
}

/**
 * Sees to it that the target has modules: there already from an earlier time, built before on this machine for that kernel, or
 * else as sources to build them from over there, whose folder is returned.
 */
async function bringModules(
  target: TargetSpec,
  open: OpenTarget,
  inputs: Required<ModuleInputs>,
  context: CoreContext,
): Promise<string | undefined> {
  const { ssh, facts } = open;
  const there = await ssh.run(`test -f ${quote(`${inputs.modulesDir}/manifest.json`)}`, {
    signal: context.signal,
  });
  if (there.code === 0) return undefined;
  const image = target.kind === 'sandbox' ? await ensureImage(context) : undefined;
  const modules =
    image?.kernelRelease === facts.kernelRelease
      ? await ensureModules(image, context)
      : await cachedModules(facts.kernelRelease);
  if (modules === undefined) return deployKernelSource(ssh, facts, context);
  await deployModules(ssh, facts, modules, context);
  return undefined;
}
