import type { Facts } from '../facts';
import { loadedModules, loadingLimits, type LoadingLimits } from '../loading';
import { areSigned } from '../modules';
import { kernelAtLeast } from '../parse';
import type { Check, Step } from '../step';
import type { StepInputs } from './modules';

export function kernelStep(facts: Facts): Step {
  return {
    id: 'kernel',
    title: 'Kernel and architecture',
    needs: [],
    check: () => {
      const found = `Linux ${facts.kernelRelease} on ${facts.arch}`;
      const problem =
        facts.arch !== 'x64'
          ? 'Skua records registers and system calls of x86-64 only.'
          : kernelAtLeast(facts.kernelRelease, 5, 10)
            ? undefined
            : 'Skua needs Linux 5.10 or later.';
      return Promise.resolve<Check>(
        problem === undefined
          ? { state: 'ok', found }
          : {
              state: 'failed',
              found,
              error: {
                code: 'module-refused',
                message: `${found}: ${problem}`,
                remedy: 'Trace on another host, or in the sandbox.',
              },
            },
      );
    },
  };
}

/** After the build, because what is built unsigned can be signed and then loaded. */
export function secureBootStep(facts: Facts, inputs: StepInputs): Step {
  return {
    id: 'secure-boot',
    title: 'Secure Boot, lockdown and module loading',
    needs: [],
    check: async () => {
      const limits = await loadingLimits(facts);
      const found = describe(limits);
      if ((await loadedModules(facts)) !== undefined) return { state: 'ok', found };
      if (limits.modulesDisabled) {
        return {
          state: 'failed',
          found,
          error: {
            code: 'module-refused',
            message:
              'This host has switched the loading of kernel modules off (kernel.modules_disabled = 1).',
            remedy:
              'That lasts until the next boot. Remove the setting (grep -r modules_disabled /etc/sysctl.conf /etc/sysctl.d), reboot the host, and prepare it before anything sets it again.',
          },
        };
      }
      if (limits.lockdown === 'none' && !limits.signaturesEnforced) return { state: 'ok', found };
      if (inputs.modulesDir !== undefined && (await areSigned(inputs.modulesDir))) {
        return { state: 'ok', found: `${found}; the modules are signed` };
      }
      return {
        state: 'failed',
        found,
        error: {
          code: 'secure-boot',
          message: `This kernel loads signed modules only (${found}).`,
          remedy: `Sign the modules with a key that the machine trusts (mokutil --import KEY.der, reboot, confirm; then sign-file for each .ko in ${inputs.modulesDir ?? '~/.local/share/skua/modules'}), or switch Secure Boot off for this host. docs/host-preparation.md has the commands.`,
        },
      };
    },
  };
}

function describe(limits: LoadingLimits): string {
  const { secureBoot, lockdown, signaturesEnforced, modulesDisabled } = limits;
  const boot = secureBoot === undefined ? 'not in use' : secureBoot ? 'on' : 'off';
  return [
    `Secure Boot ${boot}`,
    `lockdown ${lockdown}`,
    ...(signaturesEnforced ? ['module signatures enforced'] : []),
    ...(modulesDisabled ? ['module loading disabled'] : []),
  ].join(', ');
}
