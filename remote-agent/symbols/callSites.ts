import { setTimeout as sleep } from 'node:timers/promises';
import { SKUA } from '../../common/model/abi';
import { ATTR, type Attributes } from '../../common/model/span';
import { sourceAttributes } from './attributes';
import type { StackSample, SymbolizedStack } from './types';

/**
 * More than a session of the kernel module remembers (at most 65 536), because the two forget differently: the module evicts at
 * random, this forgets what was not used for longest. With twice as many, next to nothing that the module still refers to is gone.
 */
const MAX_SITES = 131_072;

/** By then the mappings have come that the kernel could not look at when the call was made. */
const MAPPINGS_LATE_MS = 250;

const DEFINITION_MIN_BYTES = SKUA.SITE_BYTES + SKUA.REGS_BYTES;

const unknown = (reason: string): Attributes => ({ [ATTR.sourceUnknown]: reason });
/** Reason: the definition was dropped on its way, by a full buffer or with a packet. */
export const STACK_LOST = 'stack-lost';
const LOST = unknown(STACK_LOST);
/** The stack was unwound by something that a site does not cover, so that only the call that it was recorded for has it. */
const NOT_SHARED = unknown('stack-not-shared');
const NO_STACK = unknown('no-stack');

const CHANGED = unknown('module-changed');

interface Site {
  /** A promise until the symbolizer has answered. */
  attributes: Attributes | Promise<Attributes>;
  /** Files that its frames are in. */
  modules: readonly string[];
}

/** The context field `skua_stack` of a syscall entry: docs/kernel-abi.md. */
export type RecordedStack =
  | { readonly kind: 'reference'; readonly site: bigint }
  /** Site 0: nothing will refer to it. `bytes`: registers and stack. */
  | { readonly kind: 'definition'; readonly site: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'malformed' };

export function recordedStack(field: Uint8Array): RecordedStack {
  const whole = field.length >= DEFINITION_MIN_BYTES;
  if (!whole && field.length !== SKUA.SITE_BYTES) return { kind: 'malformed' };
  const site = new DataView(field.buffer, field.byteOffset).getBigUint64(0, true);
  return whole
    ? { kind: 'definition', site, bytes: field.subarray(SKUA.SITE_BYTES) }
    : { kind: 'reference', site };
}

/**
 * Answers recorded stacks with the attributes of their source line. A definition is symbolized, once; a reference gets what its
 * definition got. To be asked in the order of the kernel's events.
 *
 *   definition 7 │ definition 9 │ reference 7 │ reference 8       →  symbolize(7, 9)
 *   lines of 7   │ lines of 9   │ lines of 7  │ stack-lost
 */
export class CallSites {
  /** Least recently used first. */
  private readonly sites = new Map<bigint, Site>();

  constructor(
    private readonly symbolize: (samples: readonly StackSample[]) => Promise<readonly SymbolizedStack[]>,
    private readonly capacity = MAX_SITES,
    private readonly mappingsLateMs = MAPPINGS_LATE_MS,
  ) {}

  /** One answer for each sample, in order; `bytes` of a sample is the field as recorded. Rejects when the symbolizer does. */
  async resolve(samples: readonly StackSample[]): Promise<readonly Attributes[]> {
    const stacks = samples.map(({ bytes }) => recordedStack(bytes));
    const wanted = stacks.flatMap((stack, index) =>
      stack.kind === 'definition' ? [{ pid: samples[index]?.pid ?? 0, bytes: stack.bytes }] : [],
    );
    const symbolized = this.symbolize(wanted);
    symbolized.catch(() => undefined); // Told to those who wait for a stack; without any, nobody does.
    let next = 0;
    const answers = stacks.map((stack): Attributes | Promise<Attributes> => {
      switch (stack.kind) {
        case 'malformed':
          return NO_STACK;
        case 'reference':
          return this.known(stack.site) ?? LOST;
        case 'definition': {
          const at = next++;
          const found = symbolized.then((all) => all[at]);
          return this.define(stack.site, stack.site === 0n ? this.withMappings(found, wanted[at]) : found);
        }
      }
    });
    return Promise.all(answers.map((answer) => Promise.resolve(answer)));
  }

  /**
   * With site 0 the kernel says that it could not look at the mappings just then. It tells them with a later call; code that nothing
   * was known of is looked for once more after that.
   */
  private async withMappings(
    first: Promise<SymbolizedStack | undefined>,
    sample: StackSample | undefined,
  ): Promise<SymbolizedStack | undefined> {
    const found = await first;
    if (found?.end !== 'unmapped-code' || found.source.known || sample === undefined) return found;
    await sleep(this.mappingsLateMs);
    return (await this.symbolize([sample]))[0];
  }

  /** The answer to a reference whose definition has been answered; undefined for anything else. */
  recall(field: Uint8Array): Attributes | undefined {
    const stack = recordedStack(field);
    const known = stack.kind === 'reference' ? this.known(stack.site) : undefined;
    return known instanceof Promise ? undefined : known;
  }

  private known(site: bigint): Attributes | Promise<Attributes> | undefined {
    const known = this.sites.get(site);
    if (known === undefined) return undefined;
    // Which one was used last matters when the table is getting full.
    if (this.sites.size > this.capacity / 2) {
      this.sites.delete(site);
      this.sites.set(site, known);
    }
    return known.attributes;
  }

  /** These files are not what was mapped any more: nothing that was known of code in them is right for later calls. */
  changed(paths: readonly string[]): void {
    const changed = new Set(paths);
    for (const site of this.sites.values()) {
      if (site.modules.some((module) => changed.has(module))) site.attributes = CHANGED;
    }
  }

  /** Returns the answer for the definition itself; what references get is remembered. */
  private define(site: bigint, stack: Promise<SymbolizedStack | undefined>): Promise<Attributes> {
    const own = stack.then((found) => (found === undefined ? NO_STACK : sourceAttributes(found)));
    if (site === 0n) return own;
    const attributes = Promise.all([stack, own]).then(([found, mine]) => {
      entry.modules = [...new Set(found?.frames.flatMap((frame) => frame.module ?? []))];
      entry.attributes = found?.reusable === true ? mine : NOT_SHARED;
      return entry.attributes;
    });
    attributes.catch(() => undefined); // Whoever asked for the definition is told.
    const entry: Site = { attributes, modules: [] };
    this.sites.delete(site);
    this.sites.set(site, entry);
    const oldest = this.sites.keys().next();
    if (this.sites.size > this.capacity && oldest.done !== true) this.sites.delete(oldest.value);
    return own;
  }
}
