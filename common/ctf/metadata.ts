/** Reads a trace's metadata, at once or as it grows, into its trace class: TSDL (CTF 1.8) or JSON (CTF 2), told apart by content. */
import { Ctf2Metadata } from './ctf2-metadata';
import { metadataInvalid } from './errors';
import { MetadataPackets } from './metadata-packets';
import { RECORD_SEPARATOR, type MetadataText } from './metadata-text';
import { TsdlMetadata } from './tsdl-metadata';
import type { TraceClass } from './types';

/** A trace class and the reader that fills it. */
export class MetadataReader {
  private readonly packets = new MetadataPackets();
  private format: MetadataText | undefined;

  /**
   * Takes the next piece of metadata, cut anywhere. Throws SkuaError `ctf-metadata-invalid` or `ctf-unknown-type`; the reader
   * is of no use afterwards.
   */
  append(bytes: Uint8Array): void {
    this.take(this.packets.push(bytes, false));
  }

  /** Says that the metadata is complete: anything unfinished is an error. Returns the trace class. */
  finish(): TraceClass {
    this.take(this.packets.push(new Uint8Array(0), true));
    this.format?.end();
    return this.trace;
  }

  /** True once packets can be decoded. */
  get ready(): boolean {
    return this.format?.ready === true;
  }

  /** The trace class as far as it is known; its maps grow with later `append`s. Throws before the trace was described. */
  get trace(): TraceClass {
    if (this.format === undefined) throw metadataInvalid(1, 'it is empty');
    return this.format.trace;
  }

  private take(text: string): void {
    if (text === '') return;
    this.format ??= text.startsWith(RECORD_SEPARATOR) ? new Ctf2Metadata() : new TsdlMetadata();
    this.format.take(text);
  }
}

/** Reads complete metadata. Throws SkuaError `ctf-metadata-invalid` or `ctf-unknown-type`. */
export function readMetadata(bytes: Uint8Array): TraceClass {
  const reader = new MetadataReader();
  reader.append(bytes);
  return reader.finish();
}
