/** What travels between simulated processes, and the two ends of a connection. */
import { type Egress, FrameKind, type LinkId } from '@hearsay/gossip/core'
import type { Process } from './process.js'
import type { StageEdge } from './stage.js'

/** What isn't a frame of the protocol travels under these kinds. */
export const HELLO = -1
/** The channel was closed at the other end. */
export const CLOSE = -2

/** One frame on its way. */
export interface TravellingFrame {
  /** Number of the protocol, or `HELLO` or `CLOSE`. */
  readonly kind: number
  readonly bytes: Uint8Array
}

/** Frames that were written at one instant on one connection. */
export interface Packet {
  /** Where they arrive. */
  readonly to: Port
  readonly frames: readonly TravellingFrame[]
  /** What they take on the uplink. */
  readonly bytes: number
}

/** A connection; dialled again after it broke. */
export interface Edge {
  readonly about: StageEdge
  readonly from: Process
  readonly to: Process
  /** Ends of the connection that is open, `from` first. */
  ports: readonly [Port, Port] | null
  /** Nothing is dialled before an outage is over. */
  isOut: boolean
}

/** What becomes of a packet at this end. */
export type Inbound = 'open' | 'held' | 'lost'

/** One end of a connection. */
export interface Port {
  readonly node: Process
  readonly edge: Edge
  readonly link: LinkId
  readonly egress: Egress
  /** The other end; set once, when both exist. */
  remote: Port
  isOpen: boolean
  isDirty: boolean
  inbound: Inbound
  /** Arrived, but held back. */
  held: Packet[]
  /** Written and not yet on the way, if the uplink has a bound. */
  unsentBytes: number
}

/** What Protomux and Noise add to a write. */
const WRITE_OVERHEAD_BYTES = 22

/** Bytes of frames on the uplink. */
export function bytesOf(frames: readonly TravellingFrame[]): number {
  return frames.reduce((sum, { bytes }) => sum + bytes.length, WRITE_OVERHEAD_BYTES)
}

const SIGNATURE_BYTES = 64
const MESSAGE_NUMBER_BYTES = 4

/** A payload that says which message of the stage it is. */
export function payloadOf(message: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(bytes, MESSAGE_NUMBER_BYTES))
  new DataView(payload.buffer).setUint32(0, message)
  return payload
}

/** Which message of the stage a payload is. */
export function messageOf(payload: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = payload
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** Reads the numbers of the messages in a BATCH frame, without decoding the rest. Trusts the frame: it was made here. */
export function eachMessage({ kind, bytes }: TravellingFrame, visit: (message: number) => void): void {
  if (kind !== FrameKind.batch) return
  // ix uint, flags u8, hops u8, seq0 uint, count u8, createdDelta uint, ttl u8, signature, head buf, count x payload buf
  let at = uintEnd(bytes, 0) + 2
  at = uintEnd(bytes, at)
  const count = bytes[at] as number
  at = uintEnd(bytes, at + 1) + 1 + SIGNATURE_BYTES
  at = uintEnd(bytes, at) + uintAt(bytes, at)
  for (let i = 0; i < count; i++) {
    const start = uintEnd(bytes, at)
    visit(messageOf(bytes.subarray(start, start + MESSAGE_NUMBER_BYTES)))
    at = start + uintAt(bytes, at)
  }
}

/** Bytes behind the marker of a compact-encoding uint. */
const MARKERS: Readonly<Record<number, number>> = { 253: 2, 254: 4, 255: 8 }

function uintEnd(bytes: Uint8Array, at: number): number {
  const marker = bytes[at] as number
  return at + 1 + (marker < 253 ? 0 : (MARKERS[marker] as number))
}

function uintAt(bytes: Uint8Array, at: number): number {
  const marker = bytes[at] as number
  if (marker < 253) return marker
  let value = 0
  for (let i = MARKERS[marker] as number; i > 0; i--) value = value * 256 + (bytes[at + i] as number)
  return value
}
