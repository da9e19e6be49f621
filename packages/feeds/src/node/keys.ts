/**
 * Every key and name that a set derives, and the spellings in which a key may be given.
 *
 * A feed key is the hash of a manifest with one signer: the author's public key under a namespace, which is the hash of
 * the set's namespace and the full writer name. So anybody can compute whether a feed is an author's. The device is part
 * of the full writer name: two devices of one author never write one feed, which would fork it.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import idEncoding from 'hypercore-id-encoding'
import type { WriterName } from '../core/own-feeds.js'
import { encodeFields } from '../encoding.js'
import { rangeError, typeError } from '../errors.js'
import type { Key } from '../types.js'
import { hash, keyedHash, namespaceOf } from './sodium.js'

/** Bytes that tell one storage folder from another. */
export const DEVICE_BYTES = 8
const SET_NAMESPACE = namespaceOf('hearsay/feeds/1/set')
const WRITER_NAMESPACE = namespaceOf('hearsay/feeds/1/writer')
const FEED_ID_NAMESPACE = namespaceOf('hearsay/feeds/1/feed-id')

/** 32 bytes of a key in any spelling. @throws {TypeError} `ERR_FEEDS_BAD_KEY`. */
export function keyBytes(key: Key): Uint8Array {
  const bytes = tryKeyBytes(key)
  if (bytes === null)
    throw typeError('ERR_FEEDS_BAD_KEY', 'a feed key is 32 bytes, 64 hex digits or 52 z-base-32 characters')
  return bytes
}

/** As keyBytes(), or null for what is no key. */
export function tryKeyBytes(key: unknown): Uint8Array | null {
  if (key instanceof Uint8Array) return key.byteLength === 32 ? key : null
  if (typeof key !== 'string' || (key.length !== 52 && key.length !== 64)) return null
  try {
    const bytes = idEncoding.decode(key)
    return bytes.byteLength === 32 ? bytes : null
  } catch {
    return null
  }
}

/** A key as z-base-32. */
export function keyId(key: Uint8Array): string {
  return idEncoding.encode(key)
}

/** A feed's name at a gate: its discovery key in hex. */
export function gateId(discoveryKey: Uint8Array): string {
  return b4a.toString(discoveryKey, 'hex')
}

/** 32 bytes are a set's namespace as they are; a text is hashed. @throws {TypeError} `ERR_FEEDS_BAD_OPTION`. */
export function setNamespaceOf(namespace: string | Uint8Array): Uint8Array {
  if (typeof namespace === 'string') return hash(SET_NAMESPACE, b4a.from(namespace))
  if (namespace instanceof Uint8Array && namespace.byteLength === 32) return b4a.from(namespace)
  throw typeError('ERR_FEEDS_BAD_OPTION', 'namespace must be a string or 32 bytes')
}

/** What the fact log of a set is marked with. */
export function setIdOf(namespace: Uint8Array): Uint8Array {
  return hash(namespace)
}

/** How facts of a set name a feed: tells nothing to who doesn't know the feed key. */
export function feedIdOf(namespace: Uint8Array, key: Uint8Array): Uint8Array {
  return keyedHash(namespace, FEED_ID_NAMESPACE, key)
}

/** `uint length | utf8(name) | device(8) | rotation uint`. */
export function fullWriterName(name: string, device: Uint8Array, rotation: number): Uint8Array {
  return encodeFields(encode => {
    encode(c.buffer, b4a.from(name))
    encode(c.raw, device)
    encode(c.uint, rotation)
  })
}

/** What a full writer name is made of; null if it is none. */
export function writerNameOf(origin: Uint8Array): WriterName | null {
  const state = { start: 0, end: origin.byteLength, buffer: origin } as never
  try {
    const name = b4a.toString(c.buffer.decode(state) ?? b4a.alloc(0))
    return { name, device: b4a.from(c.fixed(DEVICE_BYTES).decode(state)), rotation: c.uint.decode(state) }
  } catch {
    return null
  }
}

/** Namespace of a writer's feed in its manifest. */
export function feedNamespaceOf(namespace: Uint8Array, origin: Uint8Array): Uint8Array {
  return hash(WRITER_NAMESPACE, namespace, origin)
}

/**
 * Checks a writer's name: 1 to `maxBytes` bytes of UTF-8, and not spelt like a key, so that get() can tell them apart.
 *
 * @throws {TypeError | RangeError} `ERR_FEEDS_BAD_NAME`.
 */
export function checkName(name: unknown, maxBytes: number): asserts name is string {
  if (typeof name !== 'string' || name.length === 0) {
    throw typeError('ERR_FEEDS_BAD_NAME', 'a writer name is a text of at least one character')
  }
  const bytes = b4a.byteLength(name)
  if (bytes > maxBytes) {
    throw rangeError(
      'ERR_FEEDS_BAD_NAME',
      `writer name is ${bytes} bytes, limit is ${maxBytes} (maxNameBytes)`
    )
  }
  if (tryKeyBytes(name) !== null) {
    throw typeError('ERR_FEEDS_BAD_NAME', 'a writer name must not be spelt like a feed key')
  }
}
