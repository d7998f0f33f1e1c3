/**
 * Metadata as bytes: plain text, or packets of text each behind a header (CTF 1.8.3 §7.1, CTF2-PMETA-1.0), in either byte order:
 *
 *   u32 magic 0x75D11D57 · u8 uuid[16] · u32 checksum · u32 content_size · u32 packet_size (both in bits)
 *   u8 compression · u8 encryption · u8 checksum_scheme · u8 major · u8 minor        = 37 bytes
 */
import { metadataInvalid } from './errors';
import { decodeUtf8 } from '../base/utf8';

const MAGIC = 0x75d11d57;
const HEADER_BYTES = 37;
/** Far more than any tracer writes (LTTng with every syscall: 0.34 MB), small enough to hold. */
const MAX_METADATA_BYTES = 64 * 1024 * 1024;

/** Turns pieces of a metadata stream, cut anywhere, into text. */
export class MetadataPackets {
  private pending = new Uint8Array(0);
  private mode: 'unknown' | 'plain' | 'packets' = 'unknown';
  private little = true;
  private total = 0;

  /** The text of what is complete so far. `last` says that nothing will follow: an unfinished packet is then an error. */
  push(bytes: Uint8Array, last: boolean): string {
    this.total += bytes.length;
    if (this.total > MAX_METADATA_BYTES) {
      throw metadataInvalid(0, `it is longer than ${MAX_METADATA_BYTES >> 20} MB`);
    }
    const joined = new Uint8Array(this.pending.length + bytes.length);
    joined.set(this.pending);
    joined.set(bytes, this.pending.length);
    this.pending = joined;
    if (this.mode === 'unknown') {
      if (joined.length < 4 && !last) return '';
      this.detect(joined);
    }
    if (this.mode === 'plain') return this.plainText(last);
    return this.packetText(last);
  }

  private detect(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer);
    this.mode = 'plain';
    if (bytes.length >= 4 && view.getUint32(0, true) === MAGIC) this.mode = 'packets';
    else if (bytes.length >= 4 && view.getUint32(0, false) === MAGIC) {
      this.mode = 'packets';
      this.little = false;
    }
  }

  /** Text up to the last ASCII character, so that none is cut in two; in JSON the last one of a fragment need not be a line end. */
  private plainText(last: boolean): string {
    let end = this.pending.length;
    while (!last && end > 0 && (this.pending[end - 1] as number) >= 0x80) end -= 1;
    const text = decodeUtf8(this.pending, 0, end);
    this.pending = this.pending.slice(end);
    return text;
  }

  private packetText(last: boolean): string {
    const bytes = this.pending;
    const view = new DataView(bytes.buffer);
    let text = '';
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      if (view.getUint32(at, this.little) !== MAGIC) {
        throw metadataInvalid(
          0,
          `the packet at byte ${this.total - bytes.length + at} does not begin with CTF's magic number`,
        );
      }
      const contentBits = view.getUint32(at + 24, this.little);
      const packetBits = view.getUint32(at + 28, this.little);
      const [compression, encryption, , major, minor] = bytes.subarray(at + 32, at + HEADER_BYTES);
      if (compression !== 0 || encryption !== 0) throw metadataInvalid(0, 'it is compressed or encrypted');
      const version = `${major}.${minor}`;
      if (version !== '1.8' && version !== '2.0')
        throw metadataInvalid(0, `it is CTF ${version}, Skua reads CTF 1.8 and CTF 2`);
      if (
        contentBits % 8 !== 0 ||
        packetBits % 8 !== 0 ||
        contentBits > packetBits ||
        contentBits < HEADER_BYTES * 8
      ) {
        throw metadataInvalid(0, `a packet of ${packetBits} bits says that it contains ${contentBits}`);
      }
      if (bytes.length - at < packetBits / 8) break;
      text += decodeUtf8(bytes, at + HEADER_BYTES, at + contentBits / 8);
      at += packetBits / 8;
    }
    if (last && at < bytes.length) throw metadataInvalid(0, 'its last packet is cut short');
    this.pending = bytes.slice(at);
    return text;
  }
}
