/**
 * A core driven by hand, and a raw peer that speaks frames to it and can forge. For unit tests. No real time, no I/O.
 */

import { BatchDigester, encodePayloads } from '#gossip/core/batch'
import { FrameWriter, type WrittenFrame } from '#gossip/core/frame-writer'
import { encodeHello, ownHello } from '#gossip/core/hello'
import { makeAuthorRef, newIncarnation, topicIdOf } from '#gossip/core/keys'
import { TopicCore } from '#gossip/core/topic-core'
import type {
  AuthorRef,
  Batch,
  ConnectionBinding,
  IntakePort,
  LinkId,
  TopicCoreOptions,
  TopicEffect,
  TopicInput
} from '#gossip/core/types'
import { LIMITS, type Limits } from '#gossip/limits'
import { realCrypto } from '../support-crypto.js'

export const START_MS = 1_760_000_000_000
export const TOPIC_KEY = new Uint8Array(32).fill(42)

export interface Delivered {
  author: string
  incarnation: string
  seq: number
  text: string
  hops: number
}

/** What a LINK frame says. */
export type LinkOp = 'ask' | 'ok' | 'no' | 'demote'

/** Effects of one type. */
export type EffectOf<T extends TopicEffect['type']> = Extract<TopicEffect, { type: T }>

/** Text to bytes. */
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))
export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** Options of a core for tests: real crypto, seeded randomness. */
export function coreOptions(
  seedByte: number,
  overrides: Partial<Omit<TopicCoreOptions, 'limits'>> & { limits?: Partial<Limits> } = {}
): TopicCoreOptions {
  const crypto = realCrypto(seedByte)
  let state = seedByte * 7919 + 1
  crypto.random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  return {
    topicKey: TOPIC_KEY,
    author: crypto.author,
    crypto,
    startMs: START_MS,
    ...overrides,
    limits: { ...LIMITS, ...overrides.limits }
  }
}

/** Both ends of one connection. */
export function bindings(a: Uint8Array, b: Uint8Array, salt: number): [ConnectionBinding, ConnectionBinding] {
  const handshakeHash = new Uint8Array(64).fill(salt % 256)
  new DataView(handshakeHash.buffer).setUint32(0, salt)
  return [
    { handshakeHash, isInitiator: true, publicKey: a, remotePublicKey: b },
    { handshakeHash, isInitiator: false, publicKey: b, remotePublicKey: a }
  ]
}

/** Noise key of a peer by number. */
export const noiseKey = (number: number): Uint8Array => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number)
  return key
}

/** What the effects of one core amounted to. */
export class Log {
  readonly delivered: Delivered[] = []
  readonly own: Delivered[] = []
  readonly effects: TopicEffect[] = []
  wakeAtMs = Number.POSITIVE_INFINITY

  add(effects: readonly TopicEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect)
      if (effect.type === 'wake') this.wakeAtMs = effect.atMs
      if (effect.type === 'deliver')
        (effect.link === null ? this.own : this.delivered).push(...messagesOf(effect))
    }
  }

  of<T extends TopicEffect['type']>(type: T): EffectOf<T>[] {
    return this.effects.filter((effect): effect is EffectOf<T> => effect.type === type)
  }

  drops(): Record<string, number> {
    const drops: Record<string, number> = {}
    for (const { reason } of this.of('drop')) drops[reason] = (drops[reason] ?? 0) + 1
    return drops
  }

  texts(): string[] {
    return this.delivered.map(message => message.text)
  }
}

function messagesOf(effect: EffectOf<'deliver'>): Delivered[] {
  const { batch, hops, accepted } = effect
  const { authorId: author, incarnationId: incarnation } = batch.ref
  return batch.payloads
    .map((payload, i) => ({ author, incarnation, seq: batch.seq0 + i, text: textOf(payload), hops }))
    .filter((_message, i) => accepted === null || accepted.includes(i))
}

/** A batch signed by the author of a seed. */
export class Author {
  readonly crypto: ReturnType<typeof realCrypto>
  readonly ref: AuthorRef
  readonly digester: BatchDigester

  constructor(seedByte: number, about: { startMs?: number; topicKey?: Uint8Array; random?: number } = {}) {
    this.crypto = realCrypto(seedByte)
    const incarnation = newIncarnation(about.startMs ?? START_MS, () => about.random ?? 0.25)
    this.ref = makeAuthorRef(this.crypto.author, incarnation)
    this.digester = new BatchDigester(this.crypto, topicIdOf(this.crypto, about.topicKey ?? TOPIC_KEY))
  }

  batch(seq0: number, about: { texts?: string[]; createdMs?: number; ttlSeconds?: number } = {}): Batch {
    const payloads = (about.texts ?? [`m${seq0}`]).map(bytesOf)
    const unsigned = {
      ref: this.ref,
      seq0,
      count: payloads.length,
      createdMs: about.createdMs ?? START_MS,
      ttlSeconds: about.ttlSeconds ?? 30,
      class: 0,
      payloadBytes: encodePayloads(payloads)
    }
    const signature = this.crypto.sign(this.digester.digest(unsigned))
    return { ...unsigned, signature, head: new Uint8Array(0), payloads }
  }
}

/** One core under test, driven by hand. Its raw peers answer asks for a place at once, unless told otherwise. */
export class Rig {
  readonly core: TopicCore
  readonly log = new Log()
  readonly options: TopicCoreOptions
  readonly #peers = new Map<LinkId, RawPeer>()
  /** Told of the effects of each single input, in order. */
  onStep: (effects: readonly TopicEffect[]) => void = () => {}
  nowMs = START_MS
  #links = 0

  constructor(overrides: Parameters<typeof coreOptions>[1] = {}) {
    this.options = coreOptions(7, overrides)
    this.core = new TopicCore(this.options)
  }

  /** The effects of one input, and of the answers of raw peers to it. */
  step(input: TopicInput): TopicEffect[] {
    const effects = this.core.step(input, this.nowMs)
    this.log.add(effects)
    this.onStep(effects)
    return [...effects, ...effects.flatMap(effect => this.#answer(effect))]
  }

  #answer(effect: TopicEffect): TopicEffect[] {
    if (effect.type !== 'send' || effect.frame.kind !== 'link' || effect.frame.op !== 'ask') return []
    const peer = this.#peers.get(effect.link)
    return peer?.answers == null ? [] : peer.say(peer.answers)
  }

  /** Lets time pass, with a tick at each time the core asks for. */
  pass(ms: number): TopicEffect[] {
    const untilMs = this.nowMs + ms
    const effects: TopicEffect[] = []
    for (let i = 0; i < 100_000; i++) {
      const wish = this.log.wakeAtMs
      if (wish > untilMs) break
      this.nowMs = Math.max(this.nowMs, wish)
      effects.push(...this.step({ type: 'tick' }))
    }
    this.nowMs = untilMs
    effects.push(...this.step({ type: 'tick' }))
    return effects
  }

  publish(publish: number, text: string, ttlMs?: number): TopicEffect[] {
    const input = { type: 'publish', publish, payload: bytesOf(text) } as const
    const effects = this.step(ttlMs === undefined ? input : { ...input, ttlMs })
    effects.push(...this.step({ type: 'tick' }))
    return effects
  }

  /** A raw peer, proven unless told otherwise. */
  peer(
    peerNumber: number,
    about: {
      hello?: 'right' | 'wrong' | 'none'
      salt?: number
      maxFrameBytes?: number
      clockMs?: number
      features?: number
      /** Did the peer dial? Default: we did. */
      inbound?: boolean
      /** What it says when it is asked for a place; null: nothing. Default 'ok'. */
      answers?: LinkOp | null
      /** What its connection may send. Default: a budget of its own. */
      intake?: IntakePort
    } = {}
  ) {
    const link = ++this.#links
    const [binding, remote] = bindings(noiseKey(1), noiseKey(1000 + peerNumber), about.salt ?? link)
    const { intake } = about
    const outbound = about.inbound !== true
    this.step({ type: 'linkOpening', link, binding, outbound, ...(intake && { intake }) })
    const peer = new RawPeer(this, link, remote)
    if (about.answers !== undefined) peer.answers = about.answers
    this.#peers.set(link, peer)
    if (about.hello !== 'none') peer.hello({ ...about, isRight: about.hello !== 'wrong' })
    return peer
  }
}

/** The other end of a link of a `Rig`. */
export class RawPeer {
  readonly link: LinkId
  /** What it says when it is asked for a place; null: nothing. */
  answers: LinkOp | null = 'ok'
  readonly #rig: Rig
  readonly #binding: ConnectionBinding
  readonly #writer: FrameWriter

  constructor(rig: Rig, link: LinkId, binding: ConnectionBinding) {
    this.#rig = rig
    this.link = link
    this.#binding = binding
    this.#writer = new FrameWriter(rig.options.limits, link)
  }

  hello(
    about: { isRight?: boolean; maxFrameBytes?: number; clockMs?: number; features?: number } = {}
  ): TopicEffect[] {
    const { crypto } = this.#rig.options
    const topicKey = about.isRight === false ? new Uint8Array(32) : TOPIC_KEY
    const maxFrameBytes = about.maxFrameBytes ?? 66_048
    const clockMs = about.clockMs ?? START_MS
    const hello = ownHello(crypto, topicKey, {
      binding: this.#binding,
      roles: 7,
      features: about.features ?? 0,
      maxFrameBytes,
      clockMs,
      degree: 1
    })
    return this.#rig.step({ type: 'hello', link: this.link, bytes: encodeHello(hello) })
  }

  frame(kind: number, bytes: Uint8Array): TopicEffect[] {
    return this.#rig.step({ type: 'frame', link: this.link, kind, bytes })
  }

  send(frame: Parameters<FrameWriter['write']>[0]): TopicEffect[] {
    const out: WrittenFrame[] = []
    this.#writer.write(frame, out)
    return out.flatMap(({ kind, bytes }) => this.frame(kind, bytes))
  }

  batch(batch: Batch, hop: { repair?: boolean; last?: boolean; hops?: number } = {}): TopicEffect[] {
    const { repair = false, last = false, hops = 0 } = hop
    return this.send({ kind: 'batch', batch, hops, mark: false, repair, last })
  }

  have(ref: AuthorRef, next: number, ahead = 0, have: 'tick' | 'join' | 'lag' = 'tick'): TopicEffect[] {
    return this.send({ kind: 'have', have, entries: [{ ref, next, ahead }] })
  }

  /** A word about the role of the link. */
  say(op: LinkOp, about: { high?: boolean; backoffMs?: number; degree?: number } = {}): TopicEffect[] {
    return this.send({ kind: 'link', op, high: false, backoffMs: 0, degree: 6, ...about })
  }

  want(ref: AuthorRef, from: number, count: number): TopicEffect[] {
    return this.send({ kind: 'want', graft: false, ranges: [{ ref, from, count }] })
  }

  miss(ref: AuthorRef, from: number, count: number, floor = 0): TopicEffect[] {
    return this.send({ kind: 'miss', entries: [{ ref, from, count, floor, reason: 'not-cached' }] })
  }
}

/** Sends to one link among effects, by kind of frame. */
export function sendsTo(effects: readonly TopicEffect[], link: LinkId): EffectOf<'send'>[] {
  return effects.filter(
    (effect): effect is EffectOf<'send'> => effect.type === 'send' && effect.link === link
  )
}

/** Ranges of the WANTs among effects: `link:from+count`. */
export function wantsIn(effects: readonly TopicEffect[]): string[] {
  return effects.flatMap(effect =>
    effect.type === 'send' && effect.frame.kind === 'want'
      ? effect.frame.ranges.map(({ from, count }) => `${effect.link}:${from}+${count}`)
      : []
  )
}
