// Speaks the agent's protocol from a script, for tests of the client's side: a real process behind a real SSH channel.
//   node scripted-agent.mjs SCENARIO.json   { protocol, methods: { name: result | {error} }, after: { name: [message …] }, stdout?, endless? }
import { readFileSync } from 'node:fs';
import { Decoder, Encoder } from '@msgpack/msgpack';

const scenario = JSON.parse(readFileSync(process.argv[2], 'utf8'), (_key, v) =>
  typeof v === 'object' && v !== null && '$base64' in v ? Buffer.from(v.$base64, 'base64') : v,
);
const encoder = new Encoder({ useBigInt64: true });
const decoder = new Decoder({ useBigInt64: true });
if (scenario.stdout !== undefined) process.stdout.write(scenario.stdout);
if (scenario.exit !== undefined) {
  process.stderr.write(scenario.stderr ?? '');
  process.exit(scenario.exit);
}

function send(message) {
  const payload = encoder.encode(message);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(payload.length);
  process.stdout.write(Buffer.concat([head, payload]));
}

let pending = Buffer.alloc(0);
let credited = 0;
process.stdin.on('data', (chunk) => {
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32LE(0)) {
    const length = pending.readUInt32LE(0);
    handle(decoder.decode(pending.subarray(4, 4 + length)));
    pending = pending.subarray(4 + length);
  }
});
process.stdin.on('end', () => process.exit(0));

function handle(message) {
  if (message.t === 'credit') credited += message.bytes;
  if (message.t === 'cancel')
    send({
      t: 'error',
      id: message.id,
      error: { code: 'cancelled', message: 'cancelled there', remedy: '' },
    });
  if (message.t !== 'request') return;
  const { id, method } = message;
  const reply =
    method === 'hello'
      ? {
          protocol: scenario.protocol,
          agentVersion: '0',
          hostname: 'scripted',
          kernelRelease: '6',
          nodeVersion: '20',
        }
      : scenario.methods?.[method];
  if (reply === 'never') return;
  if (method === 'credit-so-far') send({ t: 'result', id, value: credited });
  else if (reply?.error !== undefined) send({ t: 'error', id, error: reply.error });
  else send({ t: 'result', id, value: reply ?? {} });
  for (const next of scenario.after?.[method] ?? []) {
    const { repeat = 1, ...rest } = next;
    for (let i = 0; i < repeat; i++) send(rest);
  }
}
