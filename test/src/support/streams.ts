/** Connections without a network: pairs of plain duplex streams, of Noise streams, and pairs that misbehave. */
import { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'

/** How a pair of streams misbehaves. Everything happens in turns of the event loop, never by the clock. */
export interface StreamFaults {
  /** Largest piece in which bytes arrive; smaller ones are drawn. Default: as they were written. */
  readonly chunkBytes?: number
  /** Turns of the event loop that a write takes to arrive. Default 0. */
  readonly delayTurns?: number
  /** Both ends die, as after ECONNRESET, when this many bytes were carried in both directions. */
  readonly cutAfterBytes?: number
  /** Uniform in [0, 1); for the sizes of pieces. Default: always the largest. */
  readonly random?: () => number
}

/** What the faults did; a test asserts that they hit. */
export interface StreamHits {
  /** Bytes that arrived, both directions together. */
  bytes: number
  /** Pieces that they arrived in. */
  chunks: number
  /** Was the pair cut? */
  isCut: boolean
}

/** Two ends of one connection. */
export interface StreamPair<S> {
  readonly a: S
  readonly b: S
  readonly hits: StreamHits
}

const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

/** A pair of plain duplex streams: what is written into one is read from the other. */
export function duplexPair(faults: StreamFaults = {}): StreamPair<Duplex> {
  const { chunkBytes = Number.POSITIVE_INFINITY, delayTurns = 0, cutAfterBytes, random = () => 1 } = faults
  const hits: StreamHits = { bytes: 0, chunks: 0, isCut: false }
  const ends: Duplex[] = []
  const later = (turns: number, then: () => void): void => {
    if (turns <= 0) then()
    else setImmediate(() => later(turns - 1, then))
  }
  const carry = (to: Duplex, data: Uint8Array): void => {
    for (let from = 0; from < data.length && !hits.isCut; ) {
      const size = Math.max(1, Math.ceil(Math.min(chunkBytes, data.length) * random()))
      const piece = data.subarray(from, from + size)
      from += piece.length
      hits.bytes += piece.length
      hits.chunks++
      if (!to.destroyed) to.push(piece)
      if (cutAfterBytes === undefined || hits.bytes < cutAfterBytes) continue
      hits.isCut = true
      for (const end of ends) end.destroy(reset())
    }
  }
  const make = (side: 0 | 1): Duplex =>
    new Duplex({
      read() {},
      write(data: Uint8Array, _encoding, done) {
        later(Math.max(1, delayTurns), () => {
          const other = ends[1 - side]
          if (other !== undefined && !hits.isCut) carry(other, data)
          done()
        })
      },
      final(done) {
        later(Math.max(1, delayTurns), () => {
          ends[1 - side]?.push(null)
          done()
        })
      },
      destroy(error, done) {
        // A real connection dies at both ends.
        const other = ends[1 - side]
        if (other !== undefined && !other.destroyed) setImmediate(() => other.destroy())
        done(error)
      }
    })
  ends.push(make(0), make(1))
  return { a: ends[0] as Duplex, b: ends[1] as Duplex, hits }
}

/** A pair of Noise streams over such a pair; `a` initiates. */
export function noisePair(faults: StreamFaults = {}): StreamPair<NoiseSecretStream> {
  const { a, b, hits } = duplexPair(faults)
  return { a: new NoiseSecretStream(true, a), b: new NoiseSecretStream(false, b), hits }
}
