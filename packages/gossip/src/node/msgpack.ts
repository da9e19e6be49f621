/**
 * msgpack for payloads. The only file that imports msgpackr, and only with its traps closed:
 *
 * - its decoder overflows the stack on deep nesting, takes extensions that build objects of our classes, reads the
 *   reserved byte 0xc1 as an object and returns views on its input. So a linear scan comes before it, which takes
 *   plain msgpack, timestamps and `undefined` only, and bytes are copied.
 * - its encoder writes functions as undefined, sets and errors as arrays, and typed arrays with bytes that don't
 *   belong to them. So what wouldn't arrive as it was sent is refused.
 */
import b4a from 'b4a'
import { Packr } from 'msgpackr/pack'
import { Unpackr } from 'msgpackr/unpack'

// Without records others can read it; without `variableMapSize` each map costs two bytes more.
const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/**
 * Encodes `value`.
 *
 * @throws {Error} If the value is nested more than `maxDepth` deep, or holds what msgpack can't carry unchanged.
 */
export function packValue(value: unknown, maxDepth: number): Uint8Array {
  checkValue(value, maxDepth)
  // A view on a pool that is never written twice.
  return packr.pack(value)
}

/**
 * Decodes one value that fills `bytes`.
 *
 * @throws {Error} If it doesn't, is nested more than `maxDepth` deep, or holds anything but plain msgpack, timestamps
 * and undefined.
 */
export function unpackValue(bytes: Uint8Array, maxDepth: number): unknown {
  const problem = scan(bytes, maxDepth)
  if (problem !== null) throw new Error(`payload is ${problem}`)
  // A plain Uint8Array, also of a Buffer: then the bytes inside come out as such, whoever sent them.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return unpackr.unpack(plain as Buffer)
}

function checkValue(value: unknown, depthLeft: number): void {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new Error(`a ${typeof value} can't be encoded`)
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) return
  if (b4a.isBuffer(value)) return
  if (depthLeft === 0) throw new Error('the value is nested too deeply, or holds itself')
  if (Array.isArray(value)) {
    for (const element of value) checkValue(element, depthLeft - 1)
    return
  }
  if (value instanceof Map || value instanceof Set || value instanceof RegExp || isBinary(value)) {
    throw new Error(
      `a ${value.constructor.name} can't be encoded: make it an object, an array or a Uint8Array`
    )
  }
  const own = (value as { toJSON?: unknown }).toJSON
  // The encoder calls it for objects of a class only.
  if (value.constructor !== Object && typeof own === 'function') {
    checkValue(own.call(value), depthLeft - 1)
    return
  }
  if (value instanceof Error) throw new Error("an Error can't be encoded: make it an object")
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw new Error("the key __proto__ can't be encoded")
    checkValue((value as Record<string, unknown>)[key], depthLeft - 1)
  }
}

function isBinary(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

/** Bytes after the first one of 0xc0 to 0xdf, that are neither length nor elements. -1: handled apart. */
const FIXED_SIZES = [
  0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, -1, -1, -1, -1, -1, -1,
  -1
]
const EXTENSION_UNDEFINED = 0
const EXTENSION_TIMESTAMP = 0xff

/** Walks over the bytes without building anything; returns what is wrong with them, or null. */
function scan(bytes: Uint8Array, maxDepth: number): string | null {
  // Elements still to come, per open array or map; the first entry is the value itself.
  const left = [1]
  let at = 0
  while (left.length > 0) {
    const top = left.length - 1
    if (left[top] === 0) {
      left.pop()
      continue
    }
    ;(left[top] as number)--
    const item = readItem(bytes, at)
    if (item === null) return 'no msgpack that is taken'
    at = item.end
    if (at > bytes.byteLength) return 'cut off'
    if (item.elements < 0) continue
    // Each element has at least a byte, so a length beyond the rest is a lie.
    if (item.elements > bytes.byteLength - at) return 'cut off'
    if (left.length > maxDepth) return `nested more than ${maxDepth} deep`
    left.push(item.elements)
  }
  return at === bytes.byteLength ? null : 'followed by more bytes'
}

interface Item {
  /** Where the next item begins. */
  end: number
  /** Elements of an array, twice the entries of a map; -1 for all else. */
  elements: number
}

function readItem(bytes: Uint8Array, at: number): Item | null {
  const type = bytes[at]
  if (type === undefined) return { end: at + 1, elements: -1 }
  if (type < 0x80 || type >= 0xe0) return { end: at + 1, elements: -1 }
  if (type < 0x90) return { end: at + 1, elements: 2 * (type & 0x0f) }
  if (type < 0xa0) return { end: at + 1, elements: type & 0x0f }
  if (type < 0xc0) return { end: at + 1 + (type & 0x1f), elements: -1 }
  const size = FIXED_SIZES[type - 0xc0] as number
  if (size >= 0) return fixedItem(bytes, at, size)
  switch (type) {
    case 0xc4:
    case 0xd9:
      return { end: at + 2 + uintAt(bytes, at + 1, 1), elements: -1 }
    case 0xc5:
    case 0xda:
      return { end: at + 3 + uintAt(bytes, at + 1, 2), elements: -1 }
    case 0xc6:
    case 0xdb:
      return { end: at + 5 + uintAt(bytes, at + 1, 4), elements: -1 }
    case 0xc7:
      // The 12-byte timestamp is the only extension of this form.
      return bytes[at + 1] === 12 && bytes[at + 2] === EXTENSION_TIMESTAMP
        ? { end: at + 15, elements: -1 }
        : null
    case 0xdc:
      return { end: at + 3, elements: uintAt(bytes, at + 1, 2) }
    case 0xdd:
      return { end: at + 5, elements: uintAt(bytes, at + 1, 4) }
    case 0xde:
      return { end: at + 3, elements: 2 * uintAt(bytes, at + 1, 2) }
    case 0xdf:
      return { end: at + 5, elements: 2 * uintAt(bytes, at + 1, 4) }
    default:
      return null
  }
}

function fixedItem(bytes: Uint8Array, at: number, size: number): Item | null {
  const type = bytes[at] as number
  const isExtension = type >= 0xd4 && type <= 0xd8
  if (isExtension && !isTakenExtension(type, bytes[at + 1])) return null
  return { end: at + 1 + size, elements: -1 }
}

function isTakenExtension(type: number, extension: number | undefined): boolean {
  if (extension === EXTENSION_TIMESTAMP) return type === 0xd4 || type === 0xd6 || type === 0xd7
  return extension === EXTENSION_UNDEFINED && type === 0xd4
}

/** Big-endian; missing bytes count as 0, the caller finds the end beyond the input. */
function uintAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0)
  return value
}
