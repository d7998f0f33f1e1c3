/** Writes bits as a tracer would: a slow and obvious counterpart of the generated readers. */
export class BitWriter {
  readonly bits: number[] = [];
  constructor(private readonly little: boolean) {}

  align(to: number): this {
    while (this.bits.length % to !== 0) this.bits.push(0);
    return this;
  }

  int(value: bigint | number, size: number, align = size % 8 === 0 ? 8 : 1, little = this.little): this {
    this.align(align);
    const unsigned = BigInt.asUintN(size, BigInt(value));
    const start = this.bits.length;
    for (let i = 0; i < size; i += 1) {
      // Little-endian numbers begin with their least significant bit, and bytes are filled from that side too.
      const bit = little ? i : size - 1 - i;
      this.bits[start + i] = Number((unsigned >> BigInt(bit)) & 1n);
    }
    return this;
  }

  text(value: string): this {
    this.align(8);
    for (const byte of [...new TextEncoder().encode(value), 0]) this.int(byte, 8);
    return this;
  }

  /** Bits to bytes; `little` says which side of a byte comes first. */
  finish(): Uint8Array {
    const out = new Uint8Array(Math.ceil(this.bits.length / 8));
    this.bits.forEach((bit, i) => {
      out[i >> 3] = (out[i >> 3] as number) | (bit << (this.little ? i & 7 : 7 - (i & 7)));
    });
    return out;
  }
}
