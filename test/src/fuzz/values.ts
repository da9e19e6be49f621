/** Questions about decoded values, whatever they are: are two equal, is every number one, do two look alike? */

/** Are they equal, byte arrays by their bytes and NaN to itself? */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && areBytesSame(a, b)
  if (a instanceof Date) return b instanceof Date && Object.is(a.getTime(), b.getTime())
  if (a instanceof Map) return b instanceof Map && isSame([...a], [...b])
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    key =>
      Object.hasOwn(b, key) &&
      isSame((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
  )
}

/** Are they equal, byte by byte? */
export function areBytesSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Does `holds` hold for a leaf somewhere in `value`? */
export function someLeaf(value: unknown, holds: (leaf: unknown) => boolean): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return holds(value)
  if (value instanceof Map) return someLeaf([...value], holds)
  return Object.values(value).some(item => someLeaf(item, holds))
}

const bucket = (size: number): number => Math.ceil(Math.log2(size + 1))

/**
 * What `value` looks like, without saying what exactly it is: kinds, orders of magnitude, lengths of lists. Inputs that give
 * a shape which was never seen are worth being mutated further.
 */
export function shapeOf(value: unknown, depth = 0): string {
  switch (typeof value) {
    case 'number':
      return `n${Number.isSafeInteger(value) ? Math.ceil(bucket(Math.abs(value)) / 8) : 'x'}`
    case 'string':
      return value.length < 16 ? value : `s${bucket(value.length)}`
    case 'object':
      break
    default:
      return String(value)
  }
  if (value === null) return 'null'
  if (value instanceof Uint8Array) return `b${bucket(value.length)}`
  const values = Object.values(value)
  if (depth > 2) return `o${bucket(values.length)}`
  // Of a list its length and its ends, of a record each field.
  const parts = Array.isArray(value) && values.length > 2 ? [values[0], values.at(-1)] : values.slice(0, 16)
  return `${bucket(values.length)}(${parts.map(part => shapeOf(part, depth + 1)).join()})`
}
