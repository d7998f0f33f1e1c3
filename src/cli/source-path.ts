import { relative } from 'node:path';
import type { SourceMap } from '../core/api';

/** How a recorded path is shown: mapped to this machine by the first prefix that fits, and relative to `cwd` when inside it. Pure. */
export function localPath(sourceMap: SourceMap, cwd: string): (file: string) => string {
  return (file) => {
    const pair = sourceMap.find(([remote]) => file === remote || file.startsWith(`${remote}/`));
    const local = pair === undefined ? file : pair[1] + file.slice(pair[0].length);
    const inside = relative(cwd, local);
    return inside !== '' && !inside.startsWith('..') ? inside : local;
  };
}
