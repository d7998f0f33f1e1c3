import type { Facts } from './facts';
import { Sessiond } from './sessiond';
import type { PreparedStore } from './state';
import type { Step } from './step';
import { buildStep, headersStep, modulesStep, type StepInputs } from './steps/modules';
import { contextDeviceStep, relaydStep, sessiondStep } from './steps/daemons';
import { kernelStep, secureBootStep } from './steps/kernel';
import { lttngToolsStep } from './steps/packages';
import { sudoStep, tracingGroupStep } from './steps/rights';
import type { Privileged } from './verbs';

/** All steps of preparing a host, in order. docs/host-preparation.md describes each. */
export function hostSteps(
  facts: Facts,
  privileged: Privileged,
  store: PreparedStore,
  inputs: StepInputs,
): readonly Step[] {
  const sessiond = new Sessiond(facts, privileged);
  return [
    kernelStep(facts),
    sudoStep(facts, privileged, sessiond),
    lttngToolsStep(facts, privileged, store),
    tracingGroupStep(facts, privileged, store),
    headersStep(facts, privileged, store, inputs),
    buildStep(facts, inputs),
    secureBootStep(facts, inputs),
    modulesStep(facts, privileged, store, sessiond, inputs),
    sessiondStep(facts, privileged, store, sessiond, inputs),
    relaydStep(facts),
    contextDeviceStep(facts),
  ];
}
