/**
 * A connection: one Noise stream with its hardened muxer, shared by all who use it.
 *
 * `connectionOf` takes a Noise stream, a Protomux or a plain Duplex and returns the same object for the same stream,
 * also to other copies of this module in the process: they meet under a global symbol. The stream stays the
 * application's: nothing here closes it.
 *
 * This file has byte-identical copies in the packages that need it; it knows nothing of what runs on the connection.
 */
import { errorOf } from './guard.js'
import { harden } from './harden.js'
import { isDuplex, type NoiseStreamLike, noiseStreamOf, wrapInNoise } from './noise.js'
import { isMux, type MuxLike, muxOf } from './protomux.js'

/** What the Noise handshake of a connection fixed; proofs are bound to it. */
export interface HandshakeBinding {
  /** 64 bytes, equal on both ends. */
  handshakeHash: Uint8Array
  /** Did we initiate the Noise handshake? */
  isInitiator: boolean
  /** Our Noise static key, 32 bytes. */
  publicKey: Uint8Array
  /** The remote's Noise static key, 32 bytes. */
  remotePublicKey: Uint8Array
}

/** One Noise stream with its muxer. */
export interface Connection {
  /** The hardened muxer. Other protocols may use it, too. */
  readonly mux: MuxLike
  /** The Noise stream; the application's, or ours on top of the application's Duplex. */
  readonly stream: NoiseStreamLike
  /** Did we initiate the Noise handshake, which means that we dialled? */
  readonly outbound: boolean
  /** True from the moment the stream is being destroyed, by whichever side; never false again. */
  readonly closed: boolean
  /** The binding, as soon as the handshake is done; null before. */
  readonly binding: HandshakeBinding | null
  /** Resolves once the handshake is done; rejects with a plain Error if the stream dies first. */
  opened(): Promise<HandshakeBinding>
  /**
   * Calls `listener` once when the stream has closed; in a later microtask if that was before.
   *
   * @returns A function that takes the listener off again.
   */
  onClose(listener: () => void): () => void
  /** From now on nothing is written until the matching `uncork`, and then in one piece. Keep it below 1 MiB. */
  cork(): void
  /** Ends one `cork`: corks nest, and the last `uncork` writes. */
  uncork(): void
  /** False while the transport takes no more. Under a cork this says nothing: read it after `uncork`. */
  readonly drained: boolean
}

/** Options of `connectionOf`. */
export interface ConnectionOptions {
  /** Needed for a plain Duplex: one side says true, the other false. */
  initiator?: boolean
  /** Static Noise key of our side on a plain Duplex; random if it is left out. */
  keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }
  /** `code` of the TypeError for a stream that can't be used. Default 'ERR_BAD_STREAM'. */
  errorCode?: string
}

const REGISTRY = Symbol.for('hearsay/connections/1')
const shared = globalThis as { [REGISTRY]?: WeakMap<object, Connection> }
shared[REGISTRY] ??= new WeakMap()
const connections = shared[REGISTRY]

/**
 * The connection of a stream; the same stream (or its muxer, or its Noise stream) gives the same object.
 *
 * Adds `error` listeners at once: a reset by the remote is no error of the process.
 *
 * @throws {TypeError} With `options.errorCode`: no stream, a plain Duplex without `initiator`, or a Noise stream whose
 * `userData` the application uses for itself.
 */
export function connectionOf(stream: unknown, options: ConnectionOptions = {}): Connection {
  const code = options.errorCode ?? 'ERR_BAD_STREAM'
  if (typeof stream !== 'object' || stream === null) throw badStream(code, 'a stream is needed')
  const known = connections.get(stream)
  if (known !== undefined) return known

  const { noise, mux } = open(stream, options, code)
  // A Noise stream and its muxer are two names of one connection.
  const connection = connections.get(noise) ?? connections.get(mux) ?? new MuxConnection(noise, mux)
  for (const name of [stream, noise, mux]) connections.set(name, connection)
  return connection
}

function open(
  stream: object,
  options: ConnectionOptions,
  code: string
): { noise: NoiseStreamLike; mux: MuxLike } {
  if (isMux(stream)) {
    const noise = noiseStreamOf(stream.stream)
    if (noise === null) throw badStream(code, 'this Protomux is not on a Noise stream')
    harden(stream)
    return { noise, mux: stream }
  }
  const noise = noiseStreamOf(stream) ?? wrap(stream, options, code)
  const mux = muxOf(noise)
  if (mux === null) {
    throw badStream(code, 'userData of this stream is in use, so it can carry no Protomux: keep it null')
  }
  return { noise, mux }
}

function wrap(stream: object, options: ConnectionOptions, code: string): NoiseStreamLike {
  if (!isDuplex(stream)) throw badStream(code, 'this is no Noise stream, no Protomux and no Duplex')
  if (typeof options.initiator !== 'boolean') {
    throw badStream(code, 'a plain Duplex needs { initiator }: true on one side, false on the other')
  }
  return wrapInNoise(options.initiator, stream, options.keyPair)
}

function badStream(code: string, message: string): TypeError {
  return Object.assign(new TypeError(message), { code })
}

class MuxConnection implements Connection {
  readonly mux: MuxLike
  readonly stream: NoiseStreamLike
  readonly outbound: boolean
  #closed = false
  #binding: HandshakeBinding | null = null
  readonly #listeners = new Set<() => void>()

  constructor(stream: NoiseStreamLike, mux: MuxLike) {
    this.stream = stream
    this.mux = mux
    this.outbound = stream.isInitiator
    this.#closed = stream.destroyed
    stream.on('error', () => {}) // 'close' follows and is what counts
    stream.on('close', () => this.#onclose())
  }

  get closed(): boolean {
    return this.#closed || this.stream.destroying
  }

  get drained(): boolean {
    return this.mux.drained
  }

  get binding(): HandshakeBinding | null {
    if (this.#binding !== null) return this.#binding
    const { handshakeHash, publicKey, remotePublicKey, isInitiator } = this.stream
    if (!handshakeHash || !publicKey || !remotePublicKey) return null
    this.#binding = { handshakeHash, isInitiator, publicKey, remotePublicKey }
    return this.#binding
  }

  async opened(): Promise<HandshakeBinding> {
    const opened = this.binding !== null || (await this.stream.opened)
    const binding = this.binding
    if (!opened || binding === null) throw new Error('the stream closed before its handshake was done')
    return binding
  }

  onClose(listener: () => void): () => void {
    let waiting = true
    const once = (): void => {
      if (waiting) listener()
      waiting = false
    }
    if (this.#closed) queueMicrotask(once)
    else this.#listeners.add(once)
    return () => {
      waiting = false
      this.#listeners.delete(once)
    }
  }

  cork(): void {
    this.mux.cork()
  }

  uncork(): void {
    this.mux.uncork()
  }

  #onclose(): void {
    this.#closed = true
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) {
      try {
        listener()
      } catch (fault) {
        // The others have to hear of it, and a remote's hang-up must not end the process.
        this.stream.emit('warning', errorOf(fault))
      }
    }
  }
}
