/**
 * Streams for tests: connected in memory, without a network, with faults that are asked for.
 */
import { Duplex } from 'node:stream'
import { type KeyPair, keyBytes } from '@hearsay/gossip'
import NoiseSecretStream from '@hyperswarm/secret-stream'

/** Two Noise streams that are connected; the first one initiates. */
export function noisePair(
  keyPairs: { first?: KeyPair; second?: KeyPair } = {}
): [NoiseSecretStream, NoiseSecretStream] {
  const first = new NoiseSecretStream(true, undefined, keyPairs.first ? { keyPair: keyPairs.first } : {})
  const second = new NoiseSecretStream(false, undefined, keyPairs.second ? { keyPair: keyPairs.second } : {})
  const raw = first.rawStream as NoiseSecretStream
  raw.pipe(second.rawStream).pipe(raw)
  for (const stream of [first, second]) stream.on('error', () => {})
  return [first, second]
}

/** Options of `duplexPair`. */
export interface DuplexFaults {
  /** Cuts what is written into pieces of so many bytes. */
  chunkBytes?: number
  /** While it says so, nothing passes. */
  stalled?: () => boolean
}

/** Two plain byte streams that are connected. `chunks` counts pieces that were cut. */
export function duplexPair(faults: DuplexFaults = {}): { ends: [Duplex, Duplex]; chunks: () => number } {
  let chunks = 0
  const ends: Duplex[] = []
  for (const other of [1, 0]) {
    ends.push(
      new Duplex({
        read() {},
        write(bytes: Uint8Array, _encoding, done) {
          const to = ends[other] as Duplex
          const size = faults.chunkBytes ?? bytes.byteLength
          const pass = (): void => {
            if (faults.stalled?.() && !to.destroyed) {
              setImmediate(pass)
              return
            }
            for (let at = 0; at < bytes.byteLength; at += size) {
              chunks++
              to.push(bytes.subarray(at, at + size))
            }
            setImmediate(done)
          }
          pass()
        },
        final(done) {
          ends[other]?.push(null)
          done()
        },
        destroy(error, done) {
          const to = ends[other]
          if (to && !to.destroyed) setImmediate(() => to.destroy())
          done(error)
        }
      })
    )
  }
  return { ends: ends as [Duplex, Duplex], chunks: () => chunks }
}

/** Waits until `predicate` holds; fails after `ms`. */
export async function until(predicate: () => unknown, ms = 5000): Promise<void> {
  const deadline = Date.now() + ms
  while (!predicate()) {
    if (Date.now() > deadline) throw new Error(`not so after ${ms} ms: ${predicate}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** Lets `count` turns of the event loop pass. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/** 32 bytes from text. */
export const someKey = (text: string): Uint8Array => keyBytes(text.repeat(64).slice(0, 64))

/** Reads nothing of `stream` for `ms`, then all: a remote that is slower than any on one machine. */
export function readLate(
  stream: { on(event: 'data', listener: (data: Uint8Array) => void): unknown },
  ms: number,
  ondata: (data: Uint8Array) => void
): void {
  setTimeout(() => stream.on('data', ondata), ms)
}
