/**
 * Meta of a feed as bytes: JSON, with byte strings as `{"$bytes":"<hex>"}`.
 *
 * What would come back as something else (a Date, undefined, NaN, a class) is refused when it is written, so that meta
 * is deep-equal after a restart. Reading never throws: the bytes come from a disk.
 */
import b4a from 'b4a'

/** Deeper values are refused: nobody notes them about a feed, and the walk stays bounded. */
const MAX_DEPTH = 16

/** Meta as bytes, or what can't be kept in it. */
export function encodeMeta(meta: object): { ok: true; value: Uint8Array } | { ok: false; reason: string } {
  const reason = { text: '' }
  const plain = toPlain(meta, 'meta', MAX_DEPTH, reason)
  if (reason.text !== '') return { ok: false, reason: reason.text }
  return { ok: true, value: b4a.from(JSON.stringify(plain)) }
}

/** The meta of these bytes; null for none, and for what encodeMeta() didn't make. */
export function decodeMeta(bytes: Uint8Array): { [field: string]: unknown } | null {
  if (bytes.byteLength === 0) return null
  try {
    const value = fromPlain(JSON.parse(b4a.toString(bytes)))
    return value !== null && typeof value === 'object' ? (value as { [field: string]: unknown }) : null
  } catch {
    return null
  }
}

function toPlain(value: unknown, path: string, depth: number, reason: { text: string }): unknown {
  if (depth === 0) return fail(`${path} is nested more than ${MAX_DEPTH} deep`, reason)
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : fail(`${path} is not a finite number`, reason)
  }
  if (value instanceof Uint8Array) return { $bytes: b4a.toString(value, 'hex') }
  if (Array.isArray(value)) return value.map((item, i) => toPlain(item, `${path}[${i}]`, depth - 1, reason))
  if (typeof value !== 'object') return fail(`${path} is a ${typeof value}`, reason)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null)
    return fail(`${path} is not a plain object`, reason)
  const plain: [string, unknown][] = []
  for (const [field, item] of Object.entries(value)) {
    if (field === '$bytes' || field === '__proto__')
      return fail(`${path}.${field} is a reserved name`, reason)
    plain.push([field, toPlain(item, `${path}.${field}`, depth - 1, reason)])
  }
  return Object.fromEntries(plain)
}

function fail(text: string, reason: { text: string }): null {
  if (reason.text === '') reason.text = text
  return null
}

function fromPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromPlain)
  if (value === null || typeof value !== 'object') return value
  const hex = (value as { $bytes?: unknown }).$bytes
  if (typeof hex === 'string') return new Uint8Array(b4a.from(hex, 'hex'))
  return Object.fromEntries(Object.entries(value).map(([field, item]) => [field, fromPlain(item)]))
}
