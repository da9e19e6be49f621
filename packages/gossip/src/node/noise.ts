/**
 * Noise streams: tells one from a plain Duplex, and wraps the latter in one.
 *
 * A plain byte stream can carry neither Protomux nor a proof: it has no message borders and no handshake hash that a
 * proof could be bound to. So it gets a Noise stream on top, for which somebody has to say which side initiates.
 *
 * This file has byte-identical copies in the packages that need it.
 */
import NoiseSecretStream from '@hyperswarm/secret-stream'

/** What we use of a Noise stream (`@hyperswarm/secret-stream`, hyperswarm's connections). */
export interface NoiseStreamLike {
  readonly isInitiator: boolean
  /** Our Noise static key; null before the handshake. */
  readonly publicKey: Uint8Array | null
  /** The remote's Noise static key; null before the handshake. */
  readonly remotePublicKey: Uint8Array | null
  /** 64 bytes; null before the handshake. */
  readonly handshakeHash: Uint8Array | null
  /** Resolves with false if the stream dies first. */
  readonly opened: Promise<boolean>
  readonly destroyed: boolean
  readonly destroying: boolean
  userData: unknown
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  on(event: string, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  off(event: string, listener: (...args: any[]) => void): unknown
  emit(event: string, ...args: unknown[]): unknown
  /** Resolves once everything that was written has left; false if the stream died. */
  flush(): Promise<boolean>
  destroy(error?: Error): unknown
}

/** The Noise stream that `stream` is, or that it is a part of; null if there is none. */
export function noiseStreamOf(stream: object): NoiseStreamLike | null {
  const noise = (stream as { noiseStream?: unknown }).noiseStream
  if (typeof noise !== 'object' || noise === null) return null
  const { isInitiator, opened } = noise as Partial<NoiseStreamLike>
  if (typeof isInitiator !== 'boolean' || typeof opened?.then !== 'function') return null
  return noise as NoiseStreamLike
}

/** Is this a byte stream that a Noise stream can be put on? */
export function isDuplex(stream: object): boolean {
  const { on, write, end, destroy } = stream as Record<string, unknown>
  return [on, write, end, destroy].every(method => typeof method === 'function')
}

/**
 * Puts a Noise stream on a plain Duplex.
 *
 * @param isInitiator - One side must say true and the other false.
 * @param keyPair - Static key of our side; random if it is left out.
 */
export function wrapInNoise(
  isInitiator: boolean,
  duplex: object,
  keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }
): NoiseStreamLike {
  const options = keyPair === undefined ? {} : { keyPair }
  const noise = new NoiseSecretStream(isInitiator, duplex, options) as unknown as NoiseStreamLike
  writeLater(duplex as Writing, noise)
  return noise
}

interface Writing {
  write(data: Uint8Array): boolean
  readonly destroyed?: boolean
}

/**
 * Until the handshake is over, nothing is written in the call that asks for it. Some transports deliver in that very call
 * (Node's `duplexPair`): then the answer comes before the Noise stream is done with the question, and it throws.
 */
function writeLater(duplex: Writing, noise: NoiseStreamLike): void {
  const write = duplex.write
  const waiting: Uint8Array[] = []
  let isOver = false
  const flush = (): void => {
    for (const data of waiting.splice(0)) if (duplex.destroyed !== true) write.call(duplex, data)
    // The handshake ends with a write: only behind that may others write at once.
    if (isOver && waiting.length === 0) duplex.write = write
  }
  duplex.write = data => {
    if (waiting.push(data) === 1) queueMicrotask(flush)
    return true
  }
  noise.on('handshake', () => {
    isOver = true
  })
}
