/**
 * What must hold after every step, and at the end. Any violation throws.
 *
 *   G1  every delivered message was published by that author with those bytes under that name
 *   G2  at most once per life of a receiver and (author, incarnation, seq)
 *   G3  nothing is delivered that has expired by more than the skew, or was made in the future by more than it
 *   G4  at the end, everybody has all that somebody reachable kept and that lived long enough
 *   G5  a gap is told once, and not for what was delivered
 *   G6  what waits for a link or a connection is within its bound
 *   G7  honest peers are never cut off by honest peers
 *   G8  when all has expired nothing circulates
 *   G9  an own (incarnation, seq) is used once
 *   G10 input that fails verification changes nothing
 *   A2  a batch is pushed to a link at most once, and never to the one that it came from
 *   C1  what is repaired, and how often something is pushed, is within what a scenario allows
 *
 * Those of links, trees and order are in tree-checks.ts and order-checks.ts.
 */
import type { Batch, TopicEffect, TopicInput } from '@hearsay/gossip/core'
import { overBound } from './bounds.js'
import type { EventQueue } from './event-queue.js'
import { EPOCH_MS, type Observer, type Port, type SimNode } from './node.js'
import { OrderChecks } from './order-checks.js'
import { TraceHash } from './rng.js'
import { TreeChecks } from './tree-checks.js'

/** A broken invariant; the message begins with its number. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

interface Entry {
  readonly node: SimNode
  readonly boot: number
  readonly author: string
  readonly incarnation: string
  readonly seq: number
  readonly payload: Uint8Array
  /** Virtual ms. */
  readonly atMs: number
  /** By the author's clock. */
  expiresMs: number
}

interface Life {
  /** When, virtual ms. */
  readonly delivered: Map<string, number>
  readonly gaps: Map<string, { from: number; to: number }[]>
  /** Per link: batches pushed to it or received from it. */
  readonly seen: Map<number, Set<string>>
}

/** Drops that mean: these bytes are not what an author signed. */
const UNVERIFIED = new Set([
  'bad-signature',
  'malformed',
  'too-large',
  'unbound-author',
  'unproven',
  'overlap'
])
/** Reasons for which a peer is cut off because of what it did. */
const FAULTS = new Set(['bad-proof', 'version', 'malformed', 'too-large', 'demerits'])

/** Sizes that are 0 when all has expired; of authors, its own incarnation stays with who published. */
const RELEASED = ['cacheBytes', 'cacheBatches', 'repairs', 'chargedPeers', 'questions', 'parked']

const keyOf = (author: string, incarnation: string, seq: number): string => `${author}/${incarnation}/${seq}`
const batchKey = (batch: Batch): string => keyOf(batch.ref.authorId, batch.ref.incarnationId, batch.seq0)

/** Watches all processes of a world. */
export class Checker implements Observer {
  /** How often things happened: what a scenario asserts to have hit. */
  readonly counts = {
    deliveries: 0,
    batches: 0,
    published: 0,
    pushes: 0,
    repairs: 0,
    gaps: 0,
    lagging: 0,
    blocked: 0,
    refusals: 0
  }
  /** Drops by reason. */
  readonly drops = new Map<string, number>()
  readonly hash = new TraceHash()
  readonly trees = new TreeChecks((invariant, node, what) => this.fail(invariant, node, what))
  readonly order = new OrderChecks((invariant, node, what) => this.fail(invariant, node, what))
  /** The last lines, when tracing is on. */
  readonly lines: string[] = []
  /** Virtual ms of the last BATCH that anybody sent. */
  lastBatchAtMs = 0
  /** Delays of deliveries from publish on, virtual ms. */
  readonly delays: number[] = []
  readonly #queue: EventQueue
  readonly #traces: boolean
  readonly #entries = new Map<string, Entry>()
  readonly #lives = new Map<SimNode, { boot: number; life: Life }>()
  /** What processes with a boot horizon delivered in any life. */
  readonly #ever = new Map<SimNode, Set<string>>()
  #before: string | null = null

  constructor(queue: EventQueue, { traces = false } = {}) {
    this.#queue = queue
    this.#traces = traces
  }

  before(node: SimNode, input: TopicInput, port: Port | null): void {
    this.#before = null
    if (input.type === 'frame' && port?.remote.options.isHostile) this.#before = this.#stateOf(node)
    this.trees.before(node, input)
    this.#note(node, input)
  }

  after(node: SimNode, input: TopicInput, effects: readonly TopicEffect[]): void {
    const life = this.#lifeOf(node)
    const from = input.type === 'frame' ? input.link : null
    // First of all, because a batch is forwarded before it is delivered.
    for (const effect of effects) {
      if (effect.type === 'deliver' && effect.link !== null)
        this.#seenOn(life, effect.link).add(batchKey(effect.batch))
    }
    for (const effect of effects) {
      this.#hashEffect(effect)
      if (effect.type === 'deliver' && effect.link !== null) this.#onDeliver(node, life, effect)
      else if (effect.type === 'send') this.#onSend(node, life, effect)
      else if (effect.type === 'gap') this.#onGap(node, life, effect)
      else if (effect.type === 'drop') this.drops.set(effect.reason, (this.drops.get(effect.reason) ?? 0) + 1)
    }
    if (input.type === 'linkDown' || from === null)
      for (const link of life.seen.keys()) this.#release(node, life, link)
    if (input.type === 'lagging') this.counts.lagging++
    if (input.type === 'blocked') this.counts.blocked++
    const excess = overBound(node)
    if (excess !== null) this.fail('G6', node, excess)
    this.#checkUnchanged(node, effects)
    this.trees.after(node, effects)
    this.order.after(node, effects, node.nowMs)
  }

  published(node: SimNode, effect: Extract<TopicEffect, { type: 'published' }>, payload: Uint8Array): void {
    const key = keyOf(node.authorId, effect.incarnation, effect.seq)
    if (this.#entries.has(key)) this.fail('G9', node, `${key} was used before`)
    this.counts.published++
    const { incarnation, seq } = effect
    const expiresMs = node.wallMs + node.options.limits.ttlMs
    const place = { author: node.authorId, incarnation, seq, payload, atMs: this.#queue.nowMs, expiresMs }
    this.#entries.set(key, { node, boot: node.boot, ...place })
  }

  closed(node: SimNode, port: Port, reason: string): void {
    this.counts.refusals++
    const isHonest = !node.options.isHostile && !port.remote.options.isHostile
    if (isHonest && FAULTS.has(reason))
      this.fail('G7', node, `cut off ${port.remote.options.name}: ${reason}`)
  }

  /** G4: call it when faults have stopped at `healedAtMs` and repair had its time. */
  checkDelivered({
    healedAtMs,
    marginMs,
    skewMs
  }: {
    healedAtMs: number
    marginMs: number
    skewMs: number
  }): number {
    const all = this.#groups(() => false)
    let required = 0
    for (const [key, entry] of this.#entries) {
      if (entry.node.hasJumped) continue
      const goneMs = entry.expiresMs - EPOCH_MS - entry.node.options.skewMs - skewMs
      if (goneMs < Math.max(healedAtMs, entry.atMs) + marginMs) continue
      // Who refuses it doesn't pass it on either.
      const { bootHorizon } = entry.node.options
      const groups = bootHorizon ? this.#groups(node => this.#isRefused(node, entry, skewMs)) : all
      for (const group of groups) {
        // What a liar handed in at the last moment may be on its way still.
        const byMs = this.#queue.nowMs - marginMs
        if (!group.some(node => this.#holds(node, key, { entry, byMs }))) continue
        for (const node of group) {
          if (node.bootAtMs > healedAtMs) continue
          required++
          if (!this.#holds(node, key, { entry, byMs: Number.POSITIVE_INFINITY })) {
            this.fail(
              'G4',
              node,
              `lacks ${entry.node.options.name} ${entry.incarnation} ${entry.seq} of ${entry.atMs}`
            )
          }
        }
      }
    }
    return required
  }

  /** C1: call it with what a scenario allows, as shares of the batches that were delivered. */
  checkCost({ repairs, pushes }: { readonly repairs: number; readonly pushes: number }): void {
    const { counts } = this
    const shares = [counts.repairs / counts.batches, counts.pushes / counts.batches] as const
    const told = shares.map(share => share.toFixed(2))
    if (shares[0] > repairs) throw new Violation(`C1 ${told[0]} repairs a delivery, at most ${repairs}`)
    if (shares[1] > pushes) throw new Violation(`C1 ${told[1]} pushes a delivery, at most ${pushes}`)
  }

  /** G8: call it when everything has expired for a while. */
  checkQuiet(sinceMs: number): void {
    if (this.lastBatchAtMs > sinceMs) throw new Violation(`G8 a batch was sent at ${this.lastBatchAtMs}`)
  }

  /** G6, at the end: what messages occupied is free again, and so is what belonged to connections that are gone. */
  checkReleased(nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      if (!node.isUp || node.isSilent) continue
      const { sizes } = node.core
      const links = sizes.links ?? 0
      if (links > node.ports.size) this.fail('G6', node, `${links} links on ${node.ports.size} connections`)
      const kept = (sizes.authors ?? 0) > 1 ? 'authors' : RELEASED.find(name => (sizes[name] ?? 0) > 0)
      if (kept !== undefined) this.fail('G6', node, `${kept} is ${sizes[kept]} though all has expired`)
    }
  }

  /** Breaks off with what is known. */
  fail(invariant: string, node: SimNode, what: string): never {
    const place = `${invariant} at ${this.#queue.nowMs.toFixed(1)} ms, ${node.options.name}, life ${node.boot}: ${what}`
    throw new Violation([place, ...this.lines.slice(-50)].join('\n'))
  }

  #onDeliver(node: SimNode, life: Life, effect: Extract<TopicEffect, { type: 'deliver' }>): void {
    const { batch, accepted } = effect
    this.counts.batches++
    const { maxSkewMs } = node.options.limits
    if (node.wallMs > batch.createdMs + batch.ttlSeconds * 1000 + maxSkewMs) this.fail('G3', node, 'expired')
    if (batch.createdMs > node.wallMs + maxSkewMs) this.fail('G3', node, 'from the future')
    for (const index of accepted ?? batch.payloads.keys()) {
      const seq = batch.seq0 + index
      const key = keyOf(batch.ref.authorId, batch.ref.incarnationId, seq)
      const entry = this.#entries.get(key)
      if (entry === undefined) this.fail('G1', node, `${key} was never published`)
      entry.expiresMs = batch.createdMs + batch.ttlSeconds * 1000
      if (!isEqual(entry.payload, batch.payloads[index])) this.fail('G1', node, `${key} has other bytes`)
      if (life.delivered.has(key)) this.fail('G2', node, `${key} was delivered twice`)
      life.delivered.set(key, this.#queue.nowMs)
      if (node.options.bootHorizon) this.#checkEver(node, key)
      this.counts.deliveries++
      this.delays.push(this.#queue.nowMs - entry.atMs)
      this.hash.add(seq, batch.createdMs)
    }
  }

  #checkEver(node: SimNode, key: string): void {
    const ever = this.#ever.get(node) ?? new Set()
    this.#ever.set(node, ever)
    if (ever.has(key)) this.fail('G2', node, `${key} was delivered in an earlier life`)
    ever.add(key)
  }

  // Who has a horizon refuses what is older than its start.
  #isRefused(node: SimNode, entry: Entry, skewMs: number): boolean {
    return entry.atMs < node.bootAtMs + node.options.limits.maxSkewMs + skewMs
  }

  #onSend(node: SimNode, life: Life, effect: Extract<TopicEffect, { type: 'send' }>): void {
    const { frame, link } = effect
    if (frame.kind !== 'batch') return
    this.lastBatchAtMs = this.#queue.nowMs
    if (frame.repair) {
      this.counts.repairs++
      return
    }
    this.counts.pushes++
    const key = batchKey(frame.batch)
    const seen = this.#seenOn(life, link)
    if (seen.has(key)) this.fail('A2', node, `${key} is pushed to link ${link} again, or back`)
    seen.add(key)
  }

  #onGap(node: SimNode, life: Life, effect: Extract<TopicEffect, { type: 'gap' }>): void {
    const { incarnation, from, to } = effect
    const author = Buffer.from(effect.author).toString('hex')
    const stream = `${author}/${incarnation}`
    const told = life.gaps.get(stream) ?? []
    if (told.some(gap => from <= gap.to && gap.from <= to))
      this.fail('G5', node, `gap ${from}-${to} told again`)
    for (let seq = from; seq <= Math.min(to, from + 1000); seq++) {
      const key = keyOf(author, incarnation, seq)
      if (!this.#entries.has(key))
        this.fail('G5', node, `gap ${from}-${to} has ${seq}, which nobody published`)
      if (life.delivered.has(key)) this.fail('G5', node, `gap ${from}-${to} has ${seq}, which was delivered`)
    }
    life.gaps.set(stream, [...told, { from, to }])
    this.counts.gaps++
  }

  #checkUnchanged(node: SimNode, effects: readonly TopicEffect[]): void {
    if (this.#before === null) return
    const isRefused = effects.some(effect => effect.type === 'drop' && UNVERIFIED.has(effect.reason))
    if (!isRefused) return
    // A refused frame may close its link, and that may free a question to another one; nothing else.
    const other = effects.find(({ type }) => type === 'deliver' || type === 'published' || type === 'gap')
    if (other !== undefined) this.fail('G10', node, `a refused frame had the effect ${other.type}`)
    const closes = effects.some(({ type }) => type === 'closeLink')
    if (!closes && this.#stateOf(node) !== this.#before)
      this.fail('G10', node, 'a refused frame changed the state')
  }

  #stateOf(node: SimNode): string {
    const authors = new Set(Array.from(this.#entries.values(), ({ author }) => author))
    return Array.from(authors, author =>
      node.core.explain(author).map(({ incarnation, watermark, top }) => `${incarnation} ${watermark} ${top}`)
    ).join()
  }

  #lifeOf(node: SimNode): Life {
    const known = this.#lives.get(node)
    if (known?.boot === node.boot) return known.life
    const life: Life = { delivered: new Map(), gaps: new Map(), seen: new Map() }
    this.#lives.set(node, { boot: node.boot, life })
    return life
  }

  #seenOn(life: Life, link: number): Set<string> {
    const seen = life.seen.get(link) ?? new Set()
    life.seen.set(link, seen)
    return seen
  }

  #release(node: SimNode, life: Life, link: number): void {
    if (!node.ports.has(link)) life.seen.delete(link)
  }

  #holds(node: SimNode, key: string, { entry, byMs }: { entry: Entry; byMs: number }): boolean {
    if (node === entry.node && node.boot === entry.boot) return true
    const atMs = this.#lifeOf(node).delivered.get(key)
    return atMs !== undefined && atMs <= byMs
  }

  /** Honest processes that are connected by links that are up at both ends. */
  #groups(isOut: (node: SimNode) => boolean): SimNode[][] {
    const left = new Set(this.#lives.keys())
    for (const node of left) {
      const isOff = !node.isUp || node.isSilent || node.hasJumped || node.options.isHostile
      if (isOff || isOut(node)) left.delete(node)
    }
    const groups: SimNode[][] = []
    for (const start of left) {
      const group = [start]
      left.delete(start)
      for (const node of group) {
        for (const { remote, isUp } of node.ports.values())
          if (isUp && left.delete(remote)) group.push(remote)
      }
      groups.push(group)
    }
    return groups
  }

  #note(node: SimNode, input: TopicInput): void {
    this.hash.add(this.#queue.nowMs * 16, node.options.skewMs, node.boot, input.type.length)
    if ('bytes' in input) this.hash.addBytes(input.bytes)
    if (!this.#traces) return
    const more = 'link' in input ? ` link ${input.link}${'kind' in input ? ` kind ${input.kind}` : ''}` : ''
    this.lines.push(`${this.#queue.nowMs.toFixed(1)} ${node.options.name}.${node.boot} ${input.type}${more}`)
  }

  #hashEffect(effect: TopicEffect): void {
    this.hash.add(effect.type.length, 'link' in effect ? (effect.link ?? -1) : -2)
    if (effect.type === 'wake') this.hash.add(Math.min(effect.atMs, Number.MAX_SAFE_INTEGER))
    if (!this.#traces || effect.type === 'wake') return
    const detail =
      effect.type === 'send' ? `${effect.frame.kind} to ${effect.link}` : JSON.stringify(plain(effect))
    this.lines.push(`    ${effect.type} ${detail}`)
  }
}

const isEqual = (a: Uint8Array, b: Uint8Array | undefined): boolean =>
  a.length === b?.length && a.every((byte, index) => byte === b[index])

/** An effect without bytes, for a trace. */
function plain(effect: TopicEffect): object {
  if (effect.type === 'deliver') return { link: effect.link, batch: batchKey(effect.batch) }
  return Object.fromEntries(Object.entries(effect).filter(([, value]) => typeof value !== 'object'))
}
