/**
 * How values become payloads: 'msgpack' (the default), 'json', 'utf-8', 'binary', or the application's own.
 *
 * What is decoded shares no memory with the payload, which others get from our cache. Both directions throw plain
 * Errors only; the topic turns them into a coded rejection or into a warning.
 */
import b4a from 'b4a'
import { typeError } from '../errors.js'
import { LIMITS, type Limits } from '../limits.js'
import type { Encoding, ValueEncoding } from '../types.js'
import { errorOf } from './guard.js'
import { packValue, unpackValue } from './msgpack.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function msgpack(maxDepth: number): Encoding<unknown> {
  return { encode: value => packValue(value, maxDepth), decode: bytes => unpackValue(bytes, maxDepth) }
}

const BUILT_IN: Readonly<Record<string, Encoding<unknown>>> = {
  json: {
    encode(value) {
      const text = JSON.stringify(value)
      if (text === undefined) throw new Error(`JSON has no ${typeof value}`)
      return b4a.from(text)
    },
    decode: bytes => JSON.parse(utf8.decode(bytes))
  },
  'utf-8': {
    encode(value) {
      if (typeof value !== 'string') throw new Error('utf-8 takes strings only')
      return b4a.from(value)
    },
    decode: bytes => utf8.decode(bytes)
  },
  binary: {
    encode(value) {
      if (!b4a.isBuffer(value)) throw new Error('binary takes Uint8Arrays only')
      // The caller may write into its array right after publish().
      return new Uint8Array(value)
    },
    decode: bytes => new Uint8Array(bytes)
  }
}

/**
 * The encoding of a name, or the application's own, wrapped so that it throws plain Errors only.
 *
 * @param valueEncoding - Default 'msgpack'.
 * @param limits - Default `LIMITS`; `maxPayloadDepth` bounds msgpack.
 * @throws {TypeError} `ERR_GOSSIP_BAD_OPTION` for an unknown name or an object that is no encoding.
 */
export function encodingOf<T>(
  valueEncoding: ValueEncoding<T> = 'msgpack',
  limits: Pick<Limits, 'maxPayloadDepth'> = LIMITS
): Encoding<T> {
  const encoding = typeof valueEncoding === 'string' ? builtIn<T>(valueEncoding, limits) : valueEncoding
  if (!encoding || typeof encoding.encode !== 'function' || typeof encoding.decode !== 'function') {
    throw typeError(
      'ERR_GOSSIP_BAD_OPTION',
      "valueEncoding is 'msgpack', 'json', 'utf-8', 'binary' or an object"
    )
  }
  return {
    encode: value => plainly(() => encoding.encode(value)),
    decode: bytes => plainly(() => encoding.decode(bytes))
  }
}

function builtIn<T>(
  name: string,
  { maxPayloadDepth }: Pick<Limits, 'maxPayloadDepth'>
): Encoding<T> | undefined {
  if (name === 'msgpack') return msgpack(maxPayloadDepth) as Encoding<T>
  return Object.hasOwn(BUILT_IN, name) ? (BUILT_IN[name] as Encoding<T>) : undefined
}

/** A TypeError of a codec is about a payload, not about the program: it must not look like one. */
function plainly<R>(run: () => R): R {
  try {
    return run()
  } catch (fault) {
    const { message } = errorOf(fault)
    throw new Error(message, { cause: fault })
  }
}
