/**
 * A channel of raw frames on a connection: a hello in each direction, then frames of numbered kinds.
 *
 * It pairs first and then opens, so that it doesn't matter who comes first. If the remote refuses because it doesn't
 * (yet) know the protocol and id, the pair stays and the remote may open later; likewise after the remote closed.
 *
 *   WAITING --opened by us or by the remote, its hello came--> OPEN     onhello, then onframe...
 *   OPEN    --the remote closed, or the stream did-----------> WAITING  onclose
 *   any     --close()----------------------------------------> CLOSED   nothing is called any more
 *
 * Invariants: 1. `onhello` comes before any frame of the same opening. 2. After `close()`, also if it is called inside
 * a callback, nothing that was pipelined behind is passed on (Protomux alone would). 3. No callback throws into
 * Protomux; the faults go to `onfault`.
 */
import type { Connection } from './connection.js'
import { guarded } from './guard.js'
import type { ChannelLike, MuxEncoding } from './protomux.js'

/** Options of `openFrameChannel`. */
export interface FrameChannelOptions {
  /** Name and version of the protocol. */
  protocol: string
  /** Which instance of the protocol. */
  id: Uint8Array
  /** Number of message kinds; frames of others are ignored. */
  kinds: number
  /** Makes our hello, once per opening. */
  hello: () => Uint8Array
  /** A larger hello of the remote closes the opening and is a fault. */
  maxHelloBytes: number
  /** The remote's hello: the channel is open. `bytes` may be a view on the network frame. */
  onhello(bytes: Uint8Array): void
  /** A frame; `bytes` is a view on the network frame: copy what is kept. */
  onframe(kind: number, bytes: Uint8Array): void
  /** What `onhello` announced is gone, not by our `close()`. A later `onhello` announces a new opening. */
  onclose(): void
  /** The remote refused an opening of ours, or the stream died before it answered; the pair stays. */
  onrefused?(): void
  /** The transport takes more again. Called for every open channel of the connection: keep it cheap. */
  ondrain(): void
  /** One of the callbacks threw, or the remote's hello was too large. */
  onfault(error: unknown): void
}

/** A channel of raw frames. */
export interface FrameChannel {
  /** Sends a frame if the channel is open; else does nothing. `connection.drained` says whether to go on. */
  send(kind: number, bytes: Uint8Array): void
  /** True from the remote's hello until the channel closes. */
  readonly open: boolean
  /** Closes for good; nothing is called any more. */
  close(): void
}

/**
 * Opens a channel of raw frames on `connection`.
 *
 * @returns Null if the connection is closed, or if somebody else has a channel of this protocol and id on it.
 */
export function openFrameChannel(connection: Connection, options: FrameChannelOptions): FrameChannel | null {
  const { protocol, id } = options
  if (connection.closed || connection.mux.opened({ protocol, id })) return null
  return new MuxFrameChannel(connection, options)
}

/** Takes all that is left of a frame, as a view. */
const RAW: MuxEncoding = {
  preencode(state, value) {
    state.end += value.byteLength
  },
  encode(state, value) {
    state.buffer?.set(value, state.start)
    state.start += value.byteLength
  },
  decode(state) {
    const value = state.buffer?.subarray(state.start, state.end) ?? new Uint8Array(0)
    state.start = state.end
    return value
  }
}

class MuxFrameChannel implements FrameChannel {
  readonly #connection: Connection
  readonly #options: FrameChannelOptions
  #channel: ChannelLike | null = null
  #open = false
  #closed = false

  constructor(connection: Connection, options: FrameChannelOptions) {
    this.#connection = connection
    this.#options = options
    const { protocol, id, onfault } = options
    const start = guarded(onfault, () => this.#start())
    connection.mux.pair({ protocol, id }, () => {
      void start()
    })
    void start()
  }

  get open(): boolean {
    return this.#open
  }

  send(kind: number, bytes: Uint8Array): void {
    if (this.#open) this.#channel?.messages[kind]?.send(bytes)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#open = false
    const { protocol, id } = this.#options
    this.#connection.mux.unpair({ protocol, id })
    const channel = this.#channel
    this.#channel = null
    if (!this.#connection.closed) channel?.close()
  }

  #start(): void {
    if (this.#closed || this.#channel !== null || this.#connection.closed) return
    const { protocol, id, kinds, hello, onfault, ondrain } = this.#options
    const own = hello()
    const messages = Array.from({ length: kinds }, (_, kind) => ({
      encoding: RAW,
      onmessage: guarded(onfault, (bytes: Uint8Array, channel: ChannelLike) => {
        if (this.#open && channel === this.#channel) this.#options.onframe(kind, bytes)
      })
    }))
    this.#channel = this.#connection.mux.createChannel({
      protocol,
      id,
      unique: true,
      handshake: RAW,
      messages,
      onopen: guarded(onfault, (bytes, channel) => this.#onopen(bytes, channel)),
      onclose: guarded(onfault, (_isRemote, channel) => this.#onclose(channel)),
      ondrain: guarded(onfault, () => {
        if (this.#open) ondrain()
      })
    })
    this.#channel?.open(own)
  }

  #onopen(bytes: Uint8Array, channel: ChannelLike): void {
    if (channel !== this.#channel) return
    const { maxHelloBytes, onfault, onhello } = this.#options
    if (bytes.byteLength > maxHelloBytes) {
      this.#channel = null
      channel.close()
      onfault(new Error(`hello is ${bytes.byteLength} bytes, limit is ${maxHelloBytes}`))
      return
    }
    this.#open = true
    onhello(bytes)
  }

  #onclose(channel: ChannelLike): void {
    if (channel !== this.#channel) return
    this.#channel = null
    const wasOpen = this.#open
    this.#open = false
    if (wasOpen) this.#options.onclose()
    else this.#options.onrefused?.()
  }
}
