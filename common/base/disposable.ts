/** Whatever starts can be stopped. `dispose` is idempotent and may finish asynchronously. */
export interface Disposable {
  dispose(): void | Promise<void>;
}

/** Owns disposables and disposes them in reverse order, once; disposing continues past a failing member. */
export class DisposableStore implements Disposable {
  private readonly members: Disposable[] = [];
  private disposed = false;

  add<T extends Disposable>(member: T): T {
    if (this.disposed) void member.dispose();
    else this.members.push(member);
    return member;
  }

  defer(action: () => void | Promise<void>): void {
    this.add({ dispose: action });
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    const failures: unknown[] = [];
    for (const member of this.members.reverse()) {
      try {
        await member.dispose();
      } catch (error) {
        failures.push(error);
      }
    }
    this.members.length = 0;
    if (failures.length > 0) throw new AggregateError(failures, 'Some resources could not be released.');
  }
}
