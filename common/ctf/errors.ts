import { SkuaError } from '../base/errors';

/** The metadata breaks the format's rules. `line` counts from 1 in the metadata text. */
export function metadataInvalid(line: number, what: string): SkuaError {
  return new SkuaError({
    code: 'ctf-metadata-invalid',
    message: `The trace's metadata is not valid: ${what} (line ${line}).`,
    remedy:
      'Record the trace again. If it comes from another tracer than LTTng, check that it writes CTF 1.8 or CTF 2.',
    detail: `metadata line ${line}`,
  });
}

/** The metadata uses a type that it does not define, or one that Skua does not decode. */
export function unknownType(line: number, what: string): SkuaError {
  return new SkuaError({
    code: 'ctf-unknown-type',
    message: `The trace's metadata uses a type that cannot be decoded: ${what} (line ${line}).`,
    remedy:
      'Nothing was decoded, so that nothing is decoded wrongly. Disable the event or context that uses this type and record again, or report the line.',
    detail: `metadata line ${line}`,
  });
}

/** A packet contradicts the metadata or itself. `offset` is in bytes from the packet's start. */
export function packetInvalid(offset: number, what: string, cause?: unknown): SkuaError {
  return new SkuaError(
    {
      code: 'ctf-packet-invalid',
      message: `A packet of the trace is damaged: ${what} (byte ${offset} of the packet).`,
      remedy:
        'Everything decoded before it is valid. The rest of this stream is lost: record the trace again, and check the disk and the connection it was saved or sent over.',
      detail: `packet byte ${offset}`,
    },
    { cause },
  );
}
