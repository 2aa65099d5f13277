// Keys and values are bytes; what is no text has another field: `key_base64`, `value_base64`.

/** `{ text, bytes, is_text }` of a field, whichever of the two is there. */
export function readField(object, field) {
  const text = object[field];
  if (typeof text === 'string') {
    // A value may be large, and mostly nobody asks for its bytes.
    return { text, get bytes() { return new TextEncoder().encode(text); }, is_text: true };
  }
  const bytes = fromBase64(object[`${field}_base64`] ?? '');
  return { text: asHex(bytes), bytes, is_text: false };
}

/** The bytes of a standard base64 text; none if it is not one. */
export function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

const HEX_BYTES_MAX = 4096;

/** `00 9f 92`, of the first few thousand. */
export function asHex(bytes) {
  const shown = Array.from(bytes.subarray(0, HEX_BYTES_MAX),
    (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > HEX_BYTES_MAX ? `${shown} …` : shown;
}
