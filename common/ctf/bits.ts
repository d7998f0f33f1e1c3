/**
 * Reads an integer of 1 to 64 bits at any bit of a packet: a number up to 32 bits, a bigint beyond. In little-endian order
 * bits fill each byte from the least significant one, in big-endian order from the most significant one (CTF 1.8.3 §4.1.5).
 * Throws RangeError beyond the packet.
 */
export function readBits(
  view: DataView,
  bit: number,
  size: number,
  signed: boolean,
  little: boolean,
): number | bigint {
  let value = 0n;
  let done = 0;
  while (done < size) {
    const at = bit + done;
    const inByte = at % 8;
    const take = Math.min(8 - inByte, size - done);
    const byte = view.getUint8(Math.floor(at / 8));
    const right = little ? inByte : 8 - inByte - take;
    const part = BigInt((byte >>> right) & ((1 << take) - 1));
    value = little ? value | (part << BigInt(done)) : (value << BigInt(take)) | part;
    done += take;
  }
  const result = signed ? BigInt.asIntN(size, value) : value;
  return size <= 32 ? Number(result) : result;
}
