import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy on a free loopback port, whose connections a test can cut without a word: the pulled cable. */
export interface Proxy {
  readonly port: number;
  cut(): void;
  /** Takes nothing from the target until `resume`: the connection stands, and is full. */
  stall(): void;
  resume(): void;
  close(): Promise<void>;
}

export async function openProxy(targetPort: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  /** Of each connection: the target's end → the client's. */
  const fars = new Map<Socket, Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    fars.set(far, near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        fars.delete(far);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    stall: () => {
      for (const far of fars.keys()) far.unpipe().pause();
    },
    resume: () => {
      for (const [far, near] of fars) far.pipe(near);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        cut();
      }),
  };
}
