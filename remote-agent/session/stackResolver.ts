import { existsSync } from 'node:fs';
import type { Log } from '../base/log';
import type { StackResolver } from '../spans/sourceLines';
import { CallSites } from '../symbols/callSites';
import { Symbolizer } from '../symbols/symbolizer';

/** The symbolizer as the span pipeline wants it; undefined when its helper program is not there. */
export function stackResolver(
  helper: string,
  log: Log,
): (StackResolver & { dispose(): Promise<void> }) | undefined {
  if (!existsSync(helper)) {
    log('warn', `The helper ${helper} is missing: there will be no source lines.`);
    return undefined;
  }
  const symbolizer = new Symbolizer({
    helper,
    log,
    changed: (paths) => {
      sites.changed(paths);
    },
  });
  const sites = new CallSites((samples) => symbolizer.symbolize(samples));
  return {
    mapping: (pid, mapping) => {
      symbolizer.mapping(pid, mapping);
    },
    exec: (pid) => {
      symbolizer.exec(pid);
    },
    resolve: (samples) => sites.resolve(samples),
    recall: (field) => sites.recall(field),
    dispose: async () => {
      await symbolizer.dispose();
    },
  };
}
