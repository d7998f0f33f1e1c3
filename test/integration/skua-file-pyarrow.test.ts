import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ns } from '../../common/base/time';
import { writeTrace } from '../../common/file/skua-file';
import { NO_LOSS } from '../../common/model/loss';
import type { SpanId, TraceId } from '../../common/model/span';

const present = spawnSync('python3', ['-c', 'import pyarrow']).status === 0;

const SCRIPT = `
import json, sys
import pyarrow.ipc as ipc
table = ipc.open_file(sys.argv[1]).read_all()
table.validate(full=True)
row = table.slice(1, 1).to_pydict()
print(json.dumps({
    "rows": table.num_rows,
    "version": table.schema.metadata[b"skua.version"].decode(),
    "trace": row["trace_id"][0],
    "start": table.column("start")[1].value,
    "end": row["end"][0],
    "attributes": dict(row["attributes"][0]),
    "types": row["attribute_types"][0],
    "event": [row["events"][0][0]["name"], dict(row["events"][0][0]["attributes"])],
}))
`;

/** Another reader's opinion on the file: the reference implementation's Python binding. */
describe.skipIf(!present)('a .skua file read by pyarrow', () => {
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
      const { stdout, stderr } = spawnSync('python3', ['-c', SCRIPT, file], { encoding: 'utf8' });
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
