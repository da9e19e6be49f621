/**
 * One connection that carries many parties: which of their channels are opened on it.
 *
 * Every party that is open here is paired: a hash, and an entry in the muxer's map. Only then does it cost more:
 *
 *   PAIRED   --the peer opens it------------------------> ATTACHED  so it knows the party, and is to prove it
 *   PAIRED   --our look-up found the peer under it------> OPENING   connections of a swarm
 *   PAIRED   --we initiated the connection--------------> OPENING   connections without topics; those of later parties by both
 *   OPENING  --the peer refuses: it doesn't know it-----> PAIRED
 *   OPENING  --the peer takes it------------------------> ATTACHED
 *   ATTACHED --the app closes the party's peer----------> gone      until the app attaches it again
 *   any      --the party is closed----------------------> gone
 *
 * Invariants: 1. the peer is told of no party but by an open, whose id is noise to who doesn't know the party. 2. What is
 * opened is paced and bounded by OpenQueue.
 */
import type { Connection } from '@hearsay/gossip/connection'
import type { PartyKeys } from '../core/keys.js'
import { OpenQueue } from '../core/open-queue.js'
import { PartyError } from '../errors.js'
import { hexOf } from '../key.js'
import type { Limits } from '../limits.js'
import type { DuplexLike, PartyPeer } from '../types.js'
import { messageOf } from './ask-rules.js'
import { PROTOCOL } from './link.js'
import type { Party } from './party.js'

/** A party of the list that is open. */
export interface OpenParty {
  readonly party: Party
  readonly keys: PartyKeys
}

/** What a connection needs of the list. */
export interface SharedConnectionHost {
  readonly limits: Limits
  /** A peer of this connection was made: what it answers comes to onAnswer(). */
  attached(peer: PartyPeer, connection: SharedConnection): void
  warn(error: Error): void
  /** The stream is gone. */
  ended(connection: SharedConnection): void
}

/** See the head of this file. */
export class SharedConnection {
  readonly #connection: Connection
  readonly #host: SharedConnectionHost
  readonly #queue: OpenQueue<OpenParty>
  /** All that are open here; value: the peer, where it is OPENING or ATTACHED. */
  readonly #parties = new Map<OpenParty, PartyPeer | null>()
  readonly #byPeer = new Map<PartyPeer, OpenParty>()
  /** Discovery keys, in hex, under which a swarm has found the peer. */
  readonly #topics = new Set<string>()
  #isForAll = false
  #timer: NodeJS.Timeout | null = null
  #isEnded = false

  constructor(connection: Connection, parties: Iterable<OpenParty>, host: SharedConnectionHost) {
    this.#connection = connection
    this.#host = host
    this.#queue = new OpenQueue(host.limits)
    for (const open of parties) this.#parties.set(open, null)
    connection.onClose(() => this.#end())
    if (connection.binding !== null) this.#pairAll()
    else {
      // Not by a promise: the peer's first opens may come in the bytes that end the handshake, and are refused if nobody pairs.
      connection.stream.on('handshake', () => this.#pairAll())
      // By a promise: in the event nothing may be written, since the stream has yet to write its own header.
      connection.opened().then(
        () => this.#pump(),
        () => {} // the stream died first: onClose() tells
      )
    }
  }

  /** No swarm says which parties the peer is in: whoever initiated the connection opens them all. */
  openAll(): void {
    if (this.#isForAll || this.#isEnded) return
    this.#isForAll = true
    if (!this.#connection.outbound) return
    for (const open of this.#parties.keys()) this.#queue.add(open)
    this.#pump()
  }

  /** Our look-up found the peer under this discovery key. */
  found(topic: Uint8Array): void {
    const id = hexOf(topic)
    if (this.#isEnded || this.#topics.has(id)) return
    this.#topics.add(id)
    for (const open of this.#parties.keys()) if (hexOf(open.keys.discoveryKey) === id) this.#queue.add(open)
    this.#pump()
  }

  /** A party was opened later than the connection. */
  add(open: OpenParty): void {
    if (this.#isEnded) return
    this.#parties.set(open, null)
    this.#pair(open)
    if (!this.#isForAll && !this.#topics.has(hexOf(open.keys.discoveryKey))) return
    this.#queue.add(open)
    this.#pump()
  }

  /** A party is closed; its channel it has closed by itself. */
  remove(open: OpenParty): void {
    const peer = this.#parties.get(open)
    if (peer === null) this.#unpair(open)
    if (peer !== null && peer !== undefined) this.#byPeer.delete(peer)
    this.#parties.delete(open)
    this.#queue.remove(open)
    this.#pump()
  }

  /** The peer took or refused what we opened; or it opened it itself. */
  onAnswer(peer: PartyPeer, isTaken: boolean): void {
    const open = this.#byPeer.get(peer)
    if (open === undefined || this.#isEnded) return
    this.#queue.answered(open)
    if (!isTaken) {
      this.#byPeer.delete(peer)
      peer.close().catch(() => {})
      this.#parties.set(open, null)
      this.#pair(open)
    }
    this.#pump()
  }

  #pairAll(): void {
    for (const [open, peer] of this.#parties) if (peer === null) this.#pair(open)
  }

  #pair(open: OpenParty): void {
    const id = this.#channelId(open)
    if (id === null) return // the handshake isn't done: all are paired then
    this.#connection.mux.pair({ protocol: PROTOCOL, id }, () => this.#attach(open))
  }

  #unpair(open: OpenParty): void {
    const id = this.#channelId(open)
    if (id !== null) this.#connection.mux.unpair({ protocol: PROTOCOL, id })
  }

  #channelId(open: OpenParty): Uint8Array | null {
    const { binding, closed } = this.#connection
    return binding === null || closed ? null : open.keys.channelId(binding.handshakeHash)
  }

  /** From here on it is the party's own business. Never throws: it is called by the muxer. */
  #attach(open: OpenParty): void {
    if (this.#parties.get(open) !== null || open.party.closed) return
    try {
      const peer = open.party.attach(this.#connection.stream as unknown as DuplexLike)
      this.#parties.set(open, peer)
      this.#byPeer.set(peer, open)
      this.#host.attached(peer, this)
    } catch (fault) {
      this.#queue.answered(open)
      this.#host.warn(new PartyError('WARN_PARTY_CHANNEL_CLOSED', messageOf(fault), { cause: fault }))
    }
  }

  #pump(): void {
    if (this.#isEnded || this.#connection.closed || this.#connection.binding === null) return
    const opens = this.#queue.take(performance.now())
    if (opens.length > 0) {
      this.#connection.cork()
      for (const open of opens) {
        if (this.#parties.get(open) === null) this.#attach(open)
        else this.#queue.answered(open)
      }
      this.#connection.uncork()
    }
    const nextMs = this.#queue.nextMs()
    if (nextMs === null || this.#timer !== null) return
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.#pump()
      },
      Math.max(1, nextMs - performance.now())
    )
    this.#timer.unref()
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#parties.clear()
    this.#byPeer.clear()
    this.#host.ended(this)
  }

  /** Pairs no party any more; those that are attached close by themselves. */
  close(): void {
    for (const [open, peer] of this.#parties) if (peer === null) this.#unpair(open)
    this.#end()
  }
}
