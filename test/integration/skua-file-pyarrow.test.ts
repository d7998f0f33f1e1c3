import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { writeTrace } from '../../common/file/skua-file';
import { NO_LOSS } from '../../common/model/loss';
import type { SpanId, TraceId } from '../../common/model/span';

const obtained = spawnSync(fileURLToPath(new URL('../../tools/pyarrow.sh', import.meta.url)), {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
const python = obtained.status === 0 ? obtained.stdout.trim() : undefined;
const MISSING = 69;
if (python === undefined && obtained.status !== MISSING) throw new Error('tools/pyarrow.sh failed.');

const SCRIPT = `
import json, sys
import pyarrow.ipc as ipc
table = ipc.open_file(sys.argv[1]).read_all()
table.validate(full=True)
# Without pandas nanosecond times have no Python type: only .value reads them.
row = table.slice(1, 1).select(["trace_id", "attributes", "attribute_types"]).to_pydict()
events = table.column("events")[1].values
print(json.dumps({
    "rows": table.num_rows,
    "version": table.schema.metadata[b"skua.version"].decode(),
    "trace": row["trace_id"][0],
    "start": table.column("start")[1].value,
    "end": table.column("end")[1].as_py(),
    "attributes": dict(row["attributes"][0]),
    "types": row["attribute_types"][0],
    "event": [events.field("name")[0].as_py(), dict(events.field("attributes")[0].as_py())],
}))
`;

/** Another reader's opinion on the file: the reference implementation's Python binding. */
describe.skipIf(python === undefined)('a .skua file read by pyarrow (skipped without python3-venv)', () => {
  it('is valid and has the same values', () => {
    const span = (index: number) => ({
      traceId: '0af7651916cd43dd8448eb211c80319c' as TraceId,
      spanId: index.toString(16).padStart(16, '0') as SpanId,
      name: 'openat',
      kind: 'internal' as const,
      origin: 'kernel' as const,
      service: 'shop',
      startNs: ns(1_795_424_993_395_113_005n + BigInt(index)),
      status: { code: 'unset' as const },
      attributes: { path: '/tmp/ü', ret: 3, addr: 2n ** 64n - 1n },
      events: [{ timeNs: ns(1n), name: 'sched_switch', attributes: { tid: 7 } }],
      links: [],
    });
    const folder = mkdtempSync(join(tmpdir(), 'skua-file-'));
    try {
      const file = join(folder, 'trace.skua');
      const meta = { title: 't', skuaVersion: '0', loss: NO_LOSS };
      writeFileSync(file, writeTrace({ meta, spans: [span(1), span(2), span(3)] }));
      const { stdout, stderr } = spawnSync(python ?? '', ['-c', SCRIPT, file], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout.replace(/("start": )(\d+)/, '$1"$2"'))).toEqual({
        rows: 3,
        version: '1',
        trace: '0af7651916cd43dd8448eb211c80319c',
        start: '1795424993395113007',
        end: null,
        attributes: { path: '/tmp/ü', ret: '3', addr: '18446744073709551615' },
        types: 'sni',
        event: ['sched_switch', { tid: '7' }],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
