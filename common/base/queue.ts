/**
 * A bounded first-in first-out queue that counts what it refuses. The producer never waits: overload must not reach the traced
 * program. `push` returns false, and adds `weight` to `dropped`, when the queue is full.
 */
export class BoundedQueue<T> {
  private items: T[] = [];
  private head = 0;
  private used = 0;
  dropped = 0;

  constructor(
    public capacity: number,
    private readonly weight: (item: T) => number = () => 1,
  ) {}

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: T): boolean {
    if (!this.grow(this.weight(item))) return false;
    this.items.push(item);
    return true;
  }

  /** An item in the queue is to weigh `more` than it did. Returns false, and counts that as dropped, when there is no room for it. */
  grow(more: number): boolean {
    if (this.used + more > this.capacity) {
      this.dropped += more;
      return false;
    }
    this.used += more;
    return true;
  }

  shift(): T | undefined {
    if (this.head >= this.items.length) return undefined;
    const item = this.items[this.head] as T;
    this.head += 1;
    this.used -= this.weight(item);
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}
