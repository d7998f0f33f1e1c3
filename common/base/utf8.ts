/**
 * UTF-8 to string as the WHATWG Encoding Standard does it: malformed sequences become U+FFFD. (This room has neither
 * TextDecoder nor Buffer in its types; both are also slower on the short strings of a trace.)
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let units: number[] = [];
  let at = start;
  while (at < end) {
    const first = bytes[at] as number;
    at += 1;
    if (first < 0x80) units.push(first);
    else {
      // Continuation bytes that follow, and the range allowed for the first of them (no overlong forms, no surrogates).
      let following = 0;
      let code = 0;
      let lower = 0x80;
      let upper = 0xbf;
      if (first >= 0xc2 && first <= 0xdf) [following, code] = [1, first & 0x1f];
      else if (first >= 0xe0 && first <= 0xef) {
        [following, code] = [2, first & 0x0f];
        if (first === 0xe0) lower = 0xa0;
        if (first === 0xed) upper = 0x9f;
      } else if (first >= 0xf0 && first <= 0xf4) {
        [following, code] = [3, first & 0x07];
        if (first === 0xf0) lower = 0x90;
        if (first === 0xf4) upper = 0x8f;
      }
      let valid = following > 0;
      for (; following > 0; following -= 1) {
        const next = at < end ? (bytes[at] as number) : -1;
        if (next < lower || next > upper) {
          valid = false;
          break;
        }
        code = (code << 6) | (next & 0x3f);
        at += 1;
        lower = 0x80;
        upper = 0xbf;
      }
      if (!valid) units.push(0xfffd);
      else if (code < 0x10000) units.push(code);
      else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
    if (units.length >= 4096) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** Writes a string as UTF-8 at `at`; `bytes` has room for three times its length. Returns the end. Lone surrogates become U+FFFD. */
export function encodeUtf8(text: string, bytes: Uint8Array, at: number): number {
  let end = at;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes[end++] = unit;
    else if (unit < 0x800) {
      bytes[end++] = 0xc0 | (unit >> 6);
      bytes[end++] = 0x80 | (unit & 0x3f);
    } else {
      let code = unit;
      if (unit >= 0xd800 && unit <= 0xdfff) {
        const next = text.charCodeAt(i + 1);
        if (unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
          code = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
          i += 1;
        } else code = 0xfffd;
      }
      if (code >= 0x10000) {
        bytes[end++] = 0xf0 | (code >> 18);
        bytes[end++] = 0x80 | ((code >> 12) & 0x3f);
      } else bytes[end++] = 0xe0 | (code >> 12);
      bytes[end++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[end++] = 0x80 | (code & 0x3f);
    }
  }
  return end;
}
