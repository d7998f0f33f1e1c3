/**
 * What file descriptors refer to. The kernel module reports a descriptor just before the syscall that uses it, per thread and
 * whenever it refers to another file than that thread last reported; so the last report of the same thread is exact.
 */
const MAX_THREADS = 20_000;
const MAX_SOCKETS = 50_000;

export class Descriptors {
  private threads = new Map<number, Map<number, string>>();
  private readonly sockets = new Map<string, string>();
  /** Inodes of sockets whose addresses are not known yet. */
  private unresolved = new Set<string>();

  report(tid: number, fd: number, path: string): void {
    let files = this.threads.get(tid);
    if (files === undefined) {
      if (this.threads.size >= MAX_THREADS) this.threads.clear();
      this.threads.set(tid, (files = new Map<number, string>()));
    }
    files.set(fd, path);
    const inode = socketInode(path);
    if (inode !== undefined && !this.sockets.has(inode) && this.unresolved.size < MAX_SOCKETS)
      this.unresolved.add(inode);
  }

  /** Path, or `socket:[123] tcp 127.0.0.1:80 → 127.0.0.1:4000` where the address is known. */
  name(tid: number, fd: number): string | undefined {
    const path = this.threads.get(tid)?.get(fd);
    if (path === undefined) return undefined;
    const inode = socketInode(path);
    const address = inode === undefined ? undefined : this.sockets.get(inode);
    return address === undefined ? path : `${path} ${address}`;
  }

  /** The socket got this peer. Its own address is looked up (again), which takes a moment; many do not live that long. */
  connected(tid: number, fd: number, peer: string): void {
    const inode = socketInode(this.threads.get(tid)?.get(fd) ?? '');
    if (inode === undefined) return;
    this.socket(inode, `→ ${peer}`);
    if (this.unresolved.size < MAX_SOCKETS) this.unresolved.add(inode);
  }

  /** Address of a socket inode; inode numbers of sockets are not reused within a session's time. */
  socket(inode: string, address: string): void {
    if (this.sockets.size >= MAX_SOCKETS) this.sockets.clear();
    this.sockets.set(inode, address);
    this.unresolved.delete(inode);
  }

  /** Socket inodes to look up, each handed out once. */
  takeUnresolved(): readonly string[] {
    const inodes = [...this.unresolved];
    this.unresolved = new Set();
    return inodes;
  }

  threadEnded(tid: number): void {
    this.threads.delete(tid);
  }

  /** After a loss a report may be missing: what is known may be wrong, and a wrong path is worse than none. */
  forgetAll(): void {
    this.threads.clear();
  }
}

function socketInode(path: string): string | undefined {
  return /^socket:\[(\d+)\]$/.exec(path)?.[1];
}
