import { createSocket } from 'node:dgram';
import type { Disposable } from '../../common/base/disposable';
import type { Span } from '../../common/model/span';
import { jaegerSpans } from './jaegerSpans';

export interface Receiver extends Disposable {
  readonly port: number;
}

export interface ReceiverSink {
  spans(spans: readonly Span[]): void;
  /** A datagram or request that was not valid, or beyond a limit. */
  rejected(count: number, reason: string): void;
}

const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

/** Receives what Jaeger clients send to an agent, on a free UDP port of the loopback interface; both Thrift protocols on one port. */
export async function startJaegerUdp(sink: ReceiverSink): Promise<Receiver> {
  const socket = createSocket('udp4');
  socket.on('message', (datagram) => {
    try {
      sink.spans(jaegerSpans(datagram));
    } catch (error) {
      sink.rejected(
        1,
        `Jaeger datagram of ${datagram.length} bytes: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      socket.off('error', reject);
      resolve();
    });
  });
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The system's own limit stays; bursts may then be lost, as with any Jaeger agent.
  }
  socket.on('error', (error) => {
    sink.rejected(1, error.message);
  });
  return {
    port: socket.address().port,
    dispose: () =>
      new Promise<void>((resolve) => {
        socket.close(() => {
          resolve();
        });
      }),
  };
}
