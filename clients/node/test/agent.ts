/** The agent's side for tests: a UDP port whose datagrams are decoded with the Thrift library of jaeger-client's own. */
import { createSocket, type Socket } from 'node:dgram';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const fromClient = createRequire(require.resolve('jaeger-client'));

interface Value {
  readonly key: string;
  readonly vType: string;
  readonly vStr: string | null;
  readonly vBool: boolean | null;
}
export interface ReceivedSpan {
  readonly traceIdLow: string;
  readonly traceIdHigh: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly operationName: string;
  readonly tags: readonly Value[];
}
export interface ReceivedBatch {
  readonly service: string;
  readonly spans: readonly ReceivedSpan[];
}

interface RawSpan {
  readonly traceIdLow: Buffer;
  readonly traceIdHigh: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly operationName: string;
  readonly tags: readonly Value[];
}
interface Message {
  readonly body: {
    readonly batch: {
      readonly process: { readonly serviceName: string };
      readonly spans: readonly RawSpan[];
    };
  };
}
interface ThriftStruct {
  readonly argumentsMessageRW: {
    readFrom(buffer: Buffer, offset: number): { readonly err: Error | null; readonly value: Message };
  };
}

const { Thrift } = fromClient('thriftrw') as {
  Thrift: new (options: object) => {
    getType(name: string): ThriftStruct;
    readonly Agent: { readonly emitBatch: ThriftStruct };
  };
};
const idl = join(dirname(require.resolve('jaeger-client')), 'thriftrw-idl', 'agent.thrift');
const thrift = new Thrift({
  entryPoint: idl,
  allowOptionalArguments: true,
  allowFilesystemAccess: true,
  fs: { readFileSync },
});

export class TestAgent {
  readonly batches: ReceivedBatch[] = [];

  private constructor(
    private readonly socket: Socket,
    readonly port: number,
  ) {
    socket.on('message', (datagram) => {
      const { err, value } = thrift.Agent.emitBatch.argumentsMessageRW.readFrom(datagram, 0);
      if (err !== null) throw err;
      const { process: from, spans } = value.body.batch;
      const hex = (id: Buffer): string => id.toString('hex');
      this.batches.push({
        service: from.serviceName,
        spans: spans.map((span) => ({
          ...span,
          traceIdLow: hex(span.traceIdLow),
          traceIdHigh: hex(span.traceIdHigh),
          spanId: hex(span.spanId),
          parentSpanId: hex(span.parentSpanId),
        })),
      });
    });
  }

  static async start(): Promise<TestAgent> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new TestAgent(socket, socket.address().port);
  }

  /** All spans once there are `count`; throws after two seconds. */
  async spans(count: number): Promise<readonly ReceivedSpan[]> {
    for (let i = 0; i < 200; i += 1) {
      const spans = this.batches.flatMap((batch) => batch.spans);
      if (spans.length >= count) return spans;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(
      `The agent received ${this.batches.flatMap((batch) => batch.spans).length} of ${count} spans.`,
    );
  }

  dispose(): void {
    this.socket.close();
  }
}
