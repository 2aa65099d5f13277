// Keys and values that are no text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asHex, fromBase64, readField } from '../assets/page/core/bytes.js';

test('a field is its text, or its bytes', () => {
  const key = readField({ key: 'ä' }, 'key');
  assert.deepEqual([key.text, [...key.bytes], key.is_text], ['ä', [0xc3, 0xa4], true]);
  const binary = readField({ value_base64: 'AP8=' }, 'value');
  assert.deepEqual([binary.text, binary.is_text], ['00 ff', false]);
});

test('what is no base64 is nothing', () => {
  assert.equal(fromBase64('%').length, 0);
});

test('many bytes are cut', () => {
  assert.match(asHex(new Uint8Array(5_000)), / …$/);
});
