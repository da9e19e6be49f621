/**
 * Keys as an app spells them: 32 bytes, 64 hex digits, or 52 characters of z-base-32.
 *
 * z-base-32 (Zooko O'Whielacronx, "human-oriented base-32 encoding") packs 5 bits a character, most significant first;
 * 52 characters are 260 bits, of which the last 4 are zero.
 */
import b4a from 'b4a'
import { typeError } from './errors.js'
import type { Key } from './types.js'

const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769'
const KEY_BYTES = 32
const KEY_CHARS = 52

/**
 * The 32 bytes of a key.
 *
 * @throws {TypeError} `ERR_PARTY_BAD_KEY` for anything else than the three spellings.
 */
export function keyBytes(key: Key): Uint8Array {
  const bytes = parseKey(key)
  if (bytes === null) {
    const what = typeof key === 'string' ? `${key.length} characters` : describe(key)
    throw typeError(
      'ERR_PARTY_BAD_KEY',
      `key must be 32 bytes, 64 hex digits or 52 z-base-32 characters, got ${what}`
    )
  }
  return bytes
}

/** The 32 bytes of a key, or null. */
export function parseKey(key: unknown): Uint8Array | null {
  if (key instanceof Uint8Array) return key.length === KEY_BYTES ? key : null
  if (typeof key !== 'string') return null
  if (/^[0-9a-f]{64}$/i.test(key)) return b4a.from(key, 'hex')
  return key.length === KEY_CHARS ? decodeText(key.toLowerCase()) : null
}

/** 32 bytes as z-base-32. */
export function keyId(key: Uint8Array): string {
  return encodeText(key)
}

/** Any bytes as z-base-32. */
export function encodeText(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(held >> bits) & 31]
    }
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31]
}

/** A key as lowercase hex: what maps use. */
export function hexOf(key: Uint8Array): string {
  return b4a.toString(key, 'hex')
}

/** The bytes of lowercase z-base-32; null if it is none, or not the only spelling of its bytes. */
export function decodeText(text: string): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let at = 0
  let bits = 0
  let held = 0
  for (const character of text) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return null
    held = (held << 5) | value
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (held >> bits) & 255
    held &= (1 << bits) - 1
  }
  // Less than one character may be left over, all zeros.
  return bits < 5 && held === 0 ? bytes : null
}

function describe(value: unknown): string {
  return value instanceof Uint8Array ? `${value.length} bytes` : value === null ? 'null' : typeof value
}
