/**
 * Where a reader of all feeds stands, as printable text: a version byte, then (feed key, next seq) for each feed.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import { slotOf } from './fact-set.js'

const VERSION = 1
/** Feeds in a cursor that somebody hands us: no set has more. */
const MAX_FEEDS = 1_000_000

/** Next seq of each feed, by slotOf(feed key). */
export type Positions = Map<string, number>

/** Positions as text. */
export function encodeCursor(positions: Positions): string {
  const parts: Uint8Array[] = [b4a.from([VERSION])]
  for (const [slot, seq] of positions) {
    const state = { start: 0, end: 32, buffer: b4a.alloc(0) }
    c.uint.preencode(state as never, seq)
    state.buffer = b4a.alloc(state.end)
    state.buffer.set(b4a.from(slot, 'latin1'))
    state.start = 32
    c.uint.encode(state as never, seq)
    parts.push(state.buffer)
  }
  return toUrl(b4a.toString(b4a.concat(parts), 'base64'))
}

/** Positions of a text that encodeCursor() made; null for any other. */
export function decodeCursor(cursor: unknown): Positions | null {
  if (typeof cursor !== 'string' || !/^[\w-]+$/.test(cursor)) return null
  try {
    const bytes = b4a.from(cursor.replaceAll('-', '+').replaceAll('_', '/'), 'base64')
    if (bytes[0] !== VERSION) return null
    const positions: Positions = new Map()
    const state = { start: 1, end: bytes.byteLength, buffer: bytes } as never as {
      start: number
      end: number
    }
    while (state.start < state.end && positions.size < MAX_FEEDS) {
      const key = c.fixed32.decode(state as never)
      positions.set(slotOf(key), c.uint.decode(state as never))
    }
    return positions
  } catch {
    return null
  }
}

function toUrl(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
