/**
 * A peer that speaks the gossip protocol by hand, over a real Noise stream and a real Protomux.
 *
 * It knows the topic key and the wire format, so it gets as far as a member does, and then says what no honest one would.
 * Nothing here checks anything: a field of a hello, a frame or a batch is whatever the test makes it.
 */
import { createKeyPair, cryptoFor, encodingOf, type Gossip, type KeyPair } from '@hearsay/gossip'
import {
  type AuthorRef,
  type Batch,
  batchDigest,
  channelIdOf,
  type DropReason,
  decodeAuthor,
  decodeBatch,
  decodeLink,
  encodeAuthor,
  encodeBatch,
  encodeHave,
  encodeHello,
  encodeLink,
  encodePayloads,
  FrameKind,
  type Hello,
  type Hop,
  LIMITS,
  makeAuthorRef,
  newIncarnation,
  ownHello,
  topicIdOf
} from '@hearsay/gossip/core'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import Protomux, { type Channel, type Encoding } from 'protomux'
import { duplexPair } from './streams.js'
import { soon } from './until.js'

/** Bytes as they are, up to the end of the frame. */
export const RAW: Encoding<Uint8Array> = {
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

/** Message kinds of a raw channel: those of the protocol, and one beyond. */
const KINDS = 12
const PROTOCOL = 'hearsay/gossip/1'
const STRAIGHT: Hop = { hops: 0, mark: false, repair: false, last: false }
// Hashes need no author.
const crypto = cryptoFor(createKeyPair(new Uint8Array(32)))

/** A frame that a raw peer received. */
export interface RawFrame {
  readonly kind: number
  readonly bytes: Uint8Array
}

/** See the head of this file. */
export class RawPeer {
  readonly stream: NoiseSecretStream
  readonly mux: Protomux
  readonly topicKey: Uint8Array
  /** All frames that came, oldest first. */
  readonly frames: RawFrame[] = []
  /** How often the other end opened, or accepted, our channel. */
  opened = 0
  /** How often a channel of ours was closed or rejected by the other end. */
  closed = 0
  /** The last hello of the other end on this connection, as it was on the wire; it speaks first if it can. */
  remoteHello: Uint8Array | null = null
  /** Says yes to whoever asks it for a place among the active links, as an honest peer with few links does. */
  isObliging = true
  #channel: Channel | null = null

  constructor(stream: NoiseSecretStream, topicKey: Uint8Array) {
    this.stream = stream
    this.topicKey = topicKey
    stream.on('data', (bytes: Uint8Array) => this.#overhear(bytes))
    this.mux = Protomux.from(stream)
  }

  /** Is the channel open at both ends? */
  get isOpen(): boolean {
    return this.#channel?.opened === true && !this.#channel.closed
  }

  /** Is there a channel that the other end may still accept, or has accepted? */
  get isOpening(): boolean {
    return this.#channel !== null && !this.#channel.closed
  }

  /** Frames of one kind that came. */
  received(kind: number): Uint8Array[] {
    return this.frames.filter(frame => frame.kind === kind).map(frame => frame.bytes)
  }

  /** Batches of one author that came, decoded, oldest first: their first seqs. */
  seqsOf(author: RawAuthor): number[] {
    const refs = new Map<number, string>()
    const seqs: number[] = []
    for (const { kind, bytes } of this.frames) {
      if (kind === FrameKind.author) {
        const frame = decodeAuthor(bytes, LIMITS)
        if (frame.ok) refs.set(frame.value.ix, b4a.toString(frame.value.author, 'hex'))
      }
      if (kind !== FrameKind.batch) continue
      const frame = decodeBatch(bytes, LIMITS)
      if (frame.ok && refs.get(frame.value.ix) === author.ref.authorId) seqs.push(frame.value.seq0)
    }
    return seqs
  }

  /** A right hello for this connection, but for `changes`; of another topic with another key. */
  hello(changes: Partial<Hello> = {}, topicKey: Uint8Array = this.topicKey): Uint8Array {
    const { isInitiator, handshakeHash, publicKey, remotePublicKey } = this.stream
    const hello = ownHello(crypto, topicKey, {
      binding: { isInitiator, handshakeHash, publicKey, remotePublicKey },
      roles: 7,
      features: 0,
      maxFrameBytes: LIMITS.maxMessageBytes + LIMITS.batchOverheadBytes,
      clockMs: Date.now(),
      degree: 1
    })
    return encodeHello({ ...hello, ...changes })
  }

  /** Opens the channel of the topic, with a right hello unless another is given. */
  open(hello: Uint8Array = this.hello()): Channel {
    const channel = this.mux.createChannel({
      protocol: PROTOCOL,
      id: channelIdOf(crypto, topicIdOf(crypto, this.topicKey), this.stream.handshakeHash),
      handshake: RAW,
      messages: Array.from({ length: KINDS }, (_, kind) => ({
        encoding: RAW,
        onmessage: (bytes: Uint8Array) => {
          this.frames.push({ kind, bytes: new Uint8Array(bytes) })
          if (kind === FrameKind.link && this.isObliging) this.#oblige(bytes)
        }
      })),
      onopen: () => {
        this.opened++
      },
      onclose: isRemote => {
        if (isRemote) this.closed++
      }
    })
    if (channel === null) throw new Error('the raw peer has no channel')
    channel.open(hello)
    this.#channel = channel
    return channel
  }

  /** Opens the channel with a right hello; resolves when the other end has, too. */
  async link(): Promise<void> {
    // Whoever opens before the other end has paired is rejected; an honest peer would wait for it as well.
    await soon(() => this.remoteHello !== null, { what: 'the hello of the other end' })
    this.open()
    await soon(() => this.isOpen, { what: 'the channel of a raw peer' })
  }

  /** Closes the channel; it can be opened again. */
  close(): void {
    this.#channel?.close()
  }

  /** Sends one frame. */
  send(kind: number, bytes: Uint8Array): void {
    this.#channel?.messages[kind]?.send(bytes)
  }

  /** Says that it lives, and nothing else. */
  live(): void {
    this.send(FrameKind.have, encodeHave('live', [], []))
  }

  /** Binds `ix` to an author. */
  bind(ref: AuthorRef, ix = 0): void {
    this.send(FrameKind.author, encodeAuthor(ix, ref))
  }

  /** Binds `ix` to the author of `batch` and sends it. */
  push(batch: Batch, { ix = 0, ...hop }: Partial<Hop> & { ix?: number } = {}): void {
    this.bind(batch.ref, ix)
    this.send(FrameKind.batch, encodeBatch(ix, batch, { ...STRAIGHT, ...hop }))
  }

  /** Writes all that `send` sends in one piece: many small writes take a turn of the event loop each. */
  atOnce(send: () => void): void {
    this.mux.cork()
    send()
    this.mux.uncork()
  }

  #oblige(bytes: Uint8Array): void {
    const asked = decodeLink(bytes, LIMITS)
    if (!asked.ok || asked.value.op !== 'ask') return
    this.send(FrameKind.link, encodeLink({ op: 'ok', high: false, backoffMs: 0, degree: 1 }))
  }

  // An opening of the muxer: 0, 1, channel, protocol, id of 32 bytes; behind them stands the hello.
  #overhear(bytes: Uint8Array): void {
    if (bytes[0] !== 0 || bytes[1] !== 1) return
    const at = b4a.indexOf(bytes, PROTOCOL)
    if (at > 0) this.remoteHello = new Uint8Array(bytes.subarray(at + PROTOCOL.length + 1 + 32))
  }
}

/** Connects a raw peer to `gossip`. Its channel isn't open yet. */
export async function connectRaw(
  gossip: Gossip,
  topicKey: Uint8Array,
  attach: { isInitiator?: boolean; keyPair?: KeyPair } = {}
): Promise<RawPeer> {
  const { isInitiator = true, keyPair } = attach
  const { a, b } = duplexPair()
  const theirs = new NoiseSecretStream(isInitiator, a, keyPair && { keyPair })
  const ours = new NoiseSecretStream(!isInitiator, b)
  gossip.attach(ours)
  const peer = new RawPeer(theirs, topicKey)
  await Promise.all([theirs.opened, ours.opened])
  return peer
}

/** An author that signs whatever it is told to. */
export class RawAuthor {
  readonly keyPair: KeyPair
  readonly ref: AuthorRef
  readonly #topicId: Uint8Array
  readonly #sign: (digest: Uint8Array) => Uint8Array

  /** @param startMs - Start time in its incarnation, Unix ms. */
  constructor(topicKey: Uint8Array, { keyPair = createKeyPair(), startMs = Date.now() } = {}) {
    this.keyPair = keyPair
    this.#topicId = topicIdOf(crypto, topicKey)
    this.#sign = cryptoFor(keyPair).sign
    this.ref = makeAuthorRef(keyPair.publicKey, newIncarnation(startMs, Math.random))
  }

  /** Values as a signed batch. What is in `changes` is signed, too; `signature` in it takes the place of the right one. */
  batch(values: readonly unknown[], changes: Partial<Batch> = {}): Batch {
    return this.sign(
      values.map(value => encodingOf('msgpack').encode(value)),
      changes
    )
  }

  /** The same for payloads that are bytes already. */
  sign(payloads: readonly Uint8Array[], changes: Partial<Batch> = {}): Batch {
    const fields = {
      ref: this.ref,
      seq0: 0,
      count: payloads.length,
      createdMs: Math.max(this.ref.startMs, Date.now()),
      ttlSeconds: 30,
      class: 0,
      head: new Uint8Array(0),
      payloadBytes: encodePayloads(payloads),
      payloads,
      ...changes
    }
    const signature = this.#sign(batchDigest(crypto, this.#topicId, fields))
    return { signature, ...fields }
  }
}

/** Authors that nobody has heard of; they cost no key pair, and can't sign. */
export function inventedAuthors(count: number): AuthorRef[] {
  const first = makeAuthorRef(createKeyPair().publicKey, newIncarnation(Date.now(), Math.random))
  return Array.from({ length: count }, (_, i) => {
    const author = new Uint8Array(first.author)
    new DataView(author.buffer).setUint32(0, i)
    return makeAuthorRef(author, first.incarnation)
  })
}

/** Input of `gossip` that wasn't delivered, for one reason or all. */
export function dropsOf(gossip: Gossip, reason?: DropReason): number {
  const { drops } = gossip.stats
  if (reason !== undefined) return drops[reason] ?? 0
  return Object.values(drops).reduce((sum, count) => sum + count, 0)
}
