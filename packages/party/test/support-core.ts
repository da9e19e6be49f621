/**
 * Party cores without any I/O: a model of the set, and a wire that a test can hold, search and forge.
 */
import { feedKeyOfNamespace } from '@hearsay/feeds'
import type { ConnectionBinding } from '@hearsay/gossip/core'
import {
  type Answer,
  decodeFrame,
  encodeWriterName,
  LIMITS,
  type Limits,
  type OwnIntroduction,
  PartyCore,
  type PartyCoreOptions,
  type PartyEffect,
  type PartyFrame,
  PartyKeys
} from '@hearsay/party/core'
import b4a from 'b4a'
import { cryptoOf } from './support-crypto.js'

/** Party key of these tests. */
export const PARTY_KEY = new Uint8Array(32).fill(0x5a)

type Ask = PartyEffect & { type: 'ask' }
type EffectType = PartyEffect['type']

/** What a node does with questions; undefined: it doesn't answer (the test may later). */
export interface NodeRules {
  handshake?: (ask: Ask & { about: 'handshake' }) => Answer | undefined
  introduce?: (ask: Ask & { about: 'introduce' }) => Answer | undefined
  request?: (ask: Ask & { about: 'request' }) => Answer | undefined
}

/** Shorthands for answers. */
export const AGREE: Answer = { about: 'handshake', agreed: true, reason: '' }
export const ACCEPT: Answer = { about: 'introduce', verdict: 'accept', reason: '' }

/** One core with its model of a set. */
export class CoreNode {
  readonly core: PartyCore
  readonly crypto
  readonly keys: PartyKeys
  readonly rules: NodeRules
  /** Version and state by hex of the feed key. */
  readonly facts = new Map<string, { version: number; denied: boolean }>()
  /** Feeds (hex) whose authorization ran out. */
  readonly expired = new Set<string>()
  /** All effects, in order. */
  readonly effects: PartyEffect[] = []
  /** Jobs of authorize, log and deny that aren't answered, if `isDiskHeld`. */
  readonly held: PartyEffect[] = []
  isDiskHeld = false
  onsend: (channel: number, kind: number, bytes: Uint8Array) => void = () => {}
  onclose: (channel: number) => void = () => {}
  nowMs = 1_000_000
  wakeAtMs = Number.POSITIVE_INFINITY
  readonly #queue: Parameters<PartyCore['step']>[0][] = []
  #isStepping = false

  constructor(
    seed: number,
    rules: NodeRules = {},
    limits: Partial<Limits> = {},
    partyKey: Uint8Array = PARTY_KEY,
    options: Partial<PartyCoreOptions> = {}
  ) {
    this.rules = { handshake: () => AGREE, introduce: () => ACCEPT, ...rules }
    this.crypto = cryptoOf(seed)
    this.keys = new PartyKeys(this.crypto, partyKey)
    this.core = new PartyCore({
      partyKey,
      author: this.crypto.author,
      crypto: this.crypto,
      limits: { ...LIMITS, ...limits },
      feedKeyOf: feedKeyOfNamespace,
      versionOf: key => this.facts.get(b4a.toString(key, 'hex')) ?? null,
      ...options
    })
  }

  /** Steps, and lets the model answer. */
  step(input: Parameters<PartyCore['step']>[0]): void {
    this.#queue.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      for (const effect of this.core.step(next, this.nowMs)) this.#apply(effect)
    }
    this.#isStepping = false
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.nowMs += ms
    this.step({ type: 'tick' })
  }

  /** Effects of a type so far. */
  all<T extends EffectType>(type: T): (PartyEffect & { type: T })[] {
    return this.effects.filter((effect): effect is PartyEffect & { type: T } => effect.type === type)
  }

  /** Frames sent so far on a channel, decoded. */
  frames(channel?: number): PartyFrame[] {
    return this.all('send')
      .filter(effect => channel === undefined || effect.channel === channel)
      .map(effect => {
        const frame = decodeFrame(effect.kind, effect.bytes)
        if (!frame.ok) throw new Error(`a frame of ours doesn't decode: ${frame.reason}`)
        return frame.value
      })
  }

  /** A feed that this node writes. */
  own(name: string): { key: Uint8Array; introduction: OwnIntroduction } {
    const bytes = encodeWriterName({ name, device: new Uint8Array(8), rotation: 0 })
    const key = feedKeyOfNamespace(this.crypto.author, this.keys.feedNamespace(bytes))
    this.authorize(key, true)
    const introduction: OwnIntroduction = {
      keys: [key],
      type: '',
      meta: new Uint8Array(0),
      expires: 0,
      origin: { kind: 'writer', bytes }
    }
    return { key, introduction }
  }

  /** Puts a feed into the model's set. */
  authorize(key: Uint8Array, isOwn = false, above = 0): void {
    const id = b4a.toString(key, 'hex')
    const known = this.facts.get(id)
    if (known !== undefined && !known.denied) return
    const version = Math.max(above, (known?.version ?? 0) + 1)
    this.facts.set(id, { version, denied: false })
    const discoveryKey = this.crypto.hash(key)
    this.step({ type: 'feedAdded', feed: { key, discoveryKey, version, isOwn } })
  }

  has(key: Uint8Array): boolean {
    return this.facts.get(b4a.toString(key, 'hex'))?.denied === false
  }

  /** Answers a held job; `code` null: it was written. */
  finish(effect: PartyEffect, code: string | null): void {
    if (!('job' in effect)) return
    // As FeedSet does it: an authorization of what was denied meanwhile is refused.
    let outcome = code
    if (effect.type === 'authorize' && code === null) {
      const { version } = effect
      const isDenied = effect.keys.some(key => {
        const fact = this.facts.get(b4a.toString(key, 'hex'))
        return fact?.denied === true && !this.expired.has(b4a.toString(key, 'hex')) && fact.version >= version
      })
      if (isDenied) outcome = 'ERR_PARTY_REVOKED'
      else for (const key of effect.keys) this.authorize(key, false, version)
    }
    this.step({ type: 'logged', job: effect.job, code: outcome })
  }

  #apply(effect: PartyEffect): void {
    this.effects.push(effect)
    switch (effect.type) {
      case 'send':
        this.onsend(effect.channel, effect.kind, effect.bytes)
        return
      case 'closeChannel':
        this.onclose(effect.channel)
        return
      case 'ask': {
        const answer = this.rules[effect.about]?.(effect as never)
        if (answer !== undefined) this.step({ type: 'answer', question: effect.question, answer })
        return
      }
      case 'deny':
        // A denial is in force at once, whatever the disk does.
        this.facts.set(b4a.toString(effect.key, 'hex'), { version: effect.version, denied: true })
        this.step({ type: 'feedRemoved', key: effect.key })
        this.#write(effect)
        return
      case 'unauthorize': {
        const id = b4a.toString(effect.key, 'hex')
        this.expired.add(id)
        this.facts.set(id, { version: this.facts.get(id)?.version ?? 0, denied: true })
        this.step({ type: 'feedRemoved', key: effect.key })
        this.step({ type: 'logged', job: effect.job, code: null })
        return
      }
      case 'cut':
        this.facts.set(b4a.toString(effect.key, 'hex'), { version: effect.version, denied: false })
        this.#write(effect)
        return
      case 'authorize':
      case 'log':
        this.#write(effect)
        return
      case 'wake':
        this.wakeAtMs = effect.atMs
    }
  }

  #write(effect: PartyEffect): void {
    if (this.isDiskHeld) this.held.push(effect)
    else this.finish(effect, null)
  }
}

/** What a Noise handshake between two nodes fixes. */
export function bindingsOf(a: number, b: number): [ConnectionBinding, ConnectionBinding] {
  const handshakeHash = new Uint8Array(64).fill(a * 16 + b)
  const keyOf = (n: number) => new Uint8Array(32).fill(n)
  return [
    { handshakeHash, isInitiator: true, publicKey: keyOf(a), remotePublicKey: keyOf(b) },
    { handshakeHash, isInitiator: false, publicKey: keyOf(b), remotePublicKey: keyOf(a) }
  ]
}

/** A wire between two nodes. Frames wait until `run`. */
export class Wire {
  readonly #queue: (() => void)[] = []
  readonly ends: { node: CoreNode; channel: number }[]
  isOpen = true
  /** May change or swallow what is sent. */
  filter: (from: CoreNode, kind: number, bytes: Uint8Array) => Uint8Array | null = (_, __, bytes) => bytes

  constructor(a: CoreNode, b: CoreNode, channel = 1) {
    this.ends = [
      { node: a, channel },
      { node: b, channel }
    ]
    const bindings = bindingsOf(a.crypto.author[0] as number, b.crypto.author[0] as number)
    for (const [index, end] of this.ends.entries()) {
      const other = this.ends[1 - index] as { node: CoreNode; channel: number }
      const before = end.node.onsend
      end.node.onsend = (to, kind, bytes) => {
        if (to !== end.channel) return before(to, kind, bytes)
        const sent = this.filter(end.node, kind, bytes)
        if (sent === null || !this.isOpen) return
        this.#queue.push(() => other.node.step({ type: 'frame', channel: other.channel, kind, bytes: sent }))
      }
      const closeBefore = end.node.onclose
      end.node.onclose = closed => {
        if (closed !== end.channel) return closeBefore(closed)
        this.#queue.push(() => other.node.step({ type: 'channelDown', channel: other.channel }))
      }
    }
    for (const [index, end] of this.ends.entries()) {
      const other = this.ends[1 - index] as { node: CoreNode }
      const binding = bindings[index] as ConnectionBinding
      const hello = other.node.core.ownHello(bindings[1 - index] as ConnectionBinding)
      this.#queue.push(() => end.node.step({ type: 'channelUp', channel: end.channel, binding, hello }))
    }
  }

  /** Delivers until nothing is on its way; `most` frames at most. */
  run(most = 10_000): void {
    for (let i = 0; i < most; i++) {
      const next = this.#queue.shift()
      if (next === undefined) return
      next()
    }
    throw new Error(`the wire does not come to rest within ${most} frames`)
  }

  /** Delivers one frame; false: there is none. */
  one(): boolean {
    const next = this.#queue.shift()
    next?.()
    return next !== undefined
  }

  cut(): void {
    this.isOpen = false
    this.#queue.length = 0
    for (const { node, channel } of this.ends) node.step({ type: 'channelDown', channel })
  }
}
