/** A set of small integers, one bit each, that grows by itself. */
export class BitSet {
  private words = new Uint32Array(64);
  count = 0;

  has(i: number): boolean {
    return (((this.words[i >>> 5] ?? 0) >>> (i & 31)) & 1) === 1;
  }

  add(i: number): void {
    const word = i >>> 5;
    if (word >= this.words.length) {
      const more = new Uint32Array(Math.max(word + 1, this.words.length * 2));
      more.set(this.words);
      this.words = more;
    }
    const bit = (1 << (i & 31)) >>> 0;
    if (((this.words[word] as number) & bit) === 0) this.count += 1;
    this.words[word] = (this.words[word] as number) | bit;
  }

  delete(i: number): void {
    if (!this.has(i)) return;
    const word = i >>> 5;
    this.words[word] = (this.words[word] as number) & ~(1 << (i & 31));
    this.count -= 1;
  }

  clear(): void {
    this.words.fill(0);
    this.count = 0;
  }
}
