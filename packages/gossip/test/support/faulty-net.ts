/**
 * Cores with their egress queues, joined by connections that can be slow, held up, cut and paused. One event queue, one
 * seed, no real time. Streams are as real ones are: reliable and in order, with a buffer that takes some before it says no,
 * so what a fault holds back comes at once when it ends.
 */
import { Egress } from '#gossip/core/egress'
import { Intake } from '#gossip/core/intake'
import { TopicCore } from '#gossip/core/topic-core'
import type { LinkId, TopicCoreOptions, TopicEffect, TopicInput } from '#gossip/core/types'
import type { Limits } from '#gossip/limits'
import { bindings, bytesOf, coreOptions, type EffectOf, Log, noiseKey, START_MS, textOf } from './core-rig.js'

/** What the stream and the kernel take before the stream says that it isn't drained. */
const BUFFER_BYTES = 64 * 1024

/** Uniform in [0, 1), from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One direction of a connection. */
export class Wire {
  latencyMs = 20
  /** Infinity: as wide as you like. */
  bytesPerMs = Number.POSITIVE_INFINITY
  /** Bytes that are on their way. */
  buffered = 0
  /** Bytes that arrived. */
  carried = 0
  /** Most that ever arrived within one ms after it was held up. */
  released = 0
  #held: (() => void)[] | null = null
  #freeAtMs = 0
  #isCut = false
  readonly #net: FaultyNet
  readonly #ondrain: () => void

  constructor(net: FaultyNet, ondrain: () => void) {
    this.#net = net
    this.#ondrain = ondrain
  }

  get isDrained(): boolean {
    return this.buffered < BUFFER_BYTES
  }

  send(size: number, deliver: () => void): void {
    const wasDrained = this.isDrained
    this.buffered += size
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#net.nowMs) + size / this.bytesPerMs
    const arrive = (): void => {
      if (this.#isCut) return
      if (this.#held !== null) {
        this.#held.push(arrive)
        return
      }
      this.buffered -= size
      this.carried += size
      deliver()
      if (!wasDrained && this.isDrained) this.#ondrain()
    }
    this.#net.at(this.#freeAtMs + this.latencyMs, arrive)
  }

  /** Nothing arrives any more until `release`. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    this.released = Math.max(this.released, held.length)
    for (const arrive of held) arrive()
    if (held.length > 0) this.#ondrain()
  }

  cut(): void {
    this.#isCut = true
  }
}

/** A connection as one of its ends sees it. */
export interface End {
  readonly node: FaultyNode
  readonly other: End
  readonly link: LinkId
  readonly egress: Egress
  readonly out: Wire
  isOpen: boolean
}

/** One process. */
export class FaultyNode {
  readonly core: TopicCore
  readonly limits: Limits
  readonly log = new Log()
  readonly number: number
  readonly skewMs: number
  readonly ends = new Map<LinkId, End>()
  /** Net time at which each message of another node was delivered, by text. */
  readonly heardMs = new Map<string, number>()
  /** Points that it charged, by reason. */
  readonly charged: Record<string, number> = {}
  /** Longest time that a rule thinks; 0: there is none. */
  readonly thinksMs: number
  readonly #net: FaultyNet
  #wake = 0
  #asleep: TopicInput[] | null = null
  #isFlushing = false

  constructor(
    net: FaultyNet,
    number: number,
    about: { skewMs?: number; thinksMs?: number; limits?: Partial<Limits> }
  ) {
    this.#net = net
    this.number = number
    this.skewMs = about.skewMs ?? 0
    this.thinksMs = about.thinksMs ?? 0
    const options: TopicCoreOptions = coreOptions(number + 1, {
      startMs: this.nowMs,
      ...(this.thinksMs > 0 && { asksValidate: true, asksAuthorize: true }),
      ...(about.limits && { limits: about.limits })
    })
    // Signatures are another test's matter, and take most of the time.
    const sign = (digest: Uint8Array, author: Uint8Array): Uint8Array =>
      new Uint8Array([...options.crypto.hash(author, digest), ...digest])
    options.crypto.sign = digest => sign(digest, options.author)
    options.crypto.verify = (signature, digest, author) =>
      Buffer.compare(signature, sign(digest, author)) === 0
    this.core = new TopicCore(options)
    this.limits = options.limits
  }

  get nowMs(): number {
    return Math.floor(this.#net.nowMs) + this.skewMs
  }

  step(input: TopicInput): void {
    if (this.#asleep !== null) {
      this.#asleep.push(input)
      return
    }
    const effects = this.core.step(input, this.nowMs)
    this.log.add(effects)
    for (const effect of effects) this.#apply(effect)
  }

  publish(text: string, ttlMs = 120_000): void {
    this.step({ type: 'publish', publish: ++this.#net.publishes, payload: bytesOf(text), ttlMs })
  }

  /** Stops for a while, as a process does that is suspended: what comes meanwhile is read afterwards. */
  sleep(ms: number): void {
    this.#asleep ??= []
    this.#net.at(this.#net.nowMs + ms, () => {
      const inputs = this.#asleep ?? []
      this.#asleep = null
      for (const input of inputs) this.step(input)
      this.step({ type: 'tick' })
    })
  }

  #apply(effect: TopicEffect): void {
    switch (effect.type) {
      case 'send': {
        const end = this.ends.get(effect.link)
        end?.egress.push(effect.link, effect.class, effect.frame)
        this.flushSoon()
        break
      }
      case 'unsend':
        this.ends.get(effect.link)?.egress.cancel(effect.link, effect.batch)
        break
      case 'wake':
        this.#sleepUntil(effect.atMs)
        break
      case 'closeLink':
        this.#net.closed.push({
          node: this,
          other: this.ends.get(effect.link)?.other.node,
          reason: effect.reason
        })
        this.#net.cut(this.ends.get(effect.link))
        break
      case 'deliver':
        if (effect.link === null) break
        for (const payload of effect.batch.payloads) this.heardMs.set(textOf(payload), this.#net.nowMs)
        break
      case 'drop':
        if (effect.points > 0)
          this.charged[effect.reason] = (this.charged[effect.reason] ?? 0) + effect.points
        break
      case 'ask':
        this.#answer(effect)
        break
    }
  }

  #sleepUntil(atMs: number): void {
    const wish = ++this.#wake
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#net.at(Math.ceil(atMs) - this.skewMs, () => {
      if (wish === this.#wake) this.step({ type: 'tick' })
    })
  }

  #answer(effect: EffectOf<'ask'>): void {
    const count = effect.about === 'validate' ? effect.batch.count : 1
    const verdicts = Array.from({ length: count }, () => 'accept' as const)
    this.#net.at(this.#net.nowMs + this.#net.random() * this.thinksMs, () =>
      this.step({ type: 'answer', question: effect.question, verdicts })
    )
  }

  /** Writes what is queued at the end of this instant. */
  flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#net.at(this.#net.nowMs, () => {
      this.#isFlushing = false
      for (const end of [...this.ends.values()]) this.#flush(end)
    })
  }

  #flush(end: End): void {
    const { egress, out, other, link } = end
    egress.setWritable(out.isDrained)
    for (const { kind, bytes } of egress.take(this.nowMs)) {
      const copy = bytes.slice()
      out.send(copy.length + 20, () => {
        if (other.isOpen) other.node.step({ type: 'frame', link: other.link, kind, bytes: copy })
      })
    }
    egress.setWritable(out.isDrained)
    for (const { state } of egress.signals()) if (end.isOpen) this.step({ type: state, link })
    if (egress.hasWork) this.flushSoon()
  }
}

/** Nodes, connections, one clock. */
export class FaultyNet {
  nowMs = START_MS
  publishes = 0
  readonly random: () => number
  readonly nodes: FaultyNode[] = []
  /** Links that a core closed by itself. */
  readonly closed: { node: FaultyNode; other: FaultyNode | undefined; reason: string }[] = []
  /** Ends of all connections that were ever made, one of each. */
  readonly made: End[] = []
  /** Connections that are cut are made again after so long; Infinity: never. */
  redialMs = 500
  readonly #events: { atMs: number; order: number; run: () => void }[] = []
  #order = 0
  #links = 0

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  node(about: ConstructorParameters<typeof FaultyNode>[2] = {}): FaultyNode {
    const node = new FaultyNode(this, this.nodes.length, about)
    this.nodes.push(node)
    return node
  }

  at(atMs: number, run: () => void): void {
    const event = { atMs: Math.max(atMs, this.nowMs), order: ++this.#order, run }
    let low = 0
    let high = this.#events.length
    // Latest first, so that the next one is popped.
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#events[middle] as typeof event
      if (other.atMs > event.atMs || (other.atMs === event.atMs && other.order > event.order))
        low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }

  connect(a: FaultyNode, b: FaultyNode): [End, End] {
    const salt = ++this.#links
    const pair = bindings(noiseKey(a.number), noiseKey(b.number), salt)
    const ends: End[] = []
    for (const [side, node] of [a, b].entries()) {
      const link = salt * 2 + side
      const egress = new Egress(node.limits)
      egress.openLink(link)
      const out = new Wire(this, () => node.flushSoon())
      const end = {
        node,
        link,
        egress,
        out,
        isOpen: true,
        get other() {
          return ends[1 - side] as End
        }
      }
      ends.push(end)
      node.ends.set(link, end)
    }
    for (const [side, { node, link, out, other }] of (ends as End[]).entries()) {
      const binding = pair[side] as (typeof pair)[number]
      const intake = new Intake(node.limits)
      node.step({ type: 'linkOpening', link, binding, outbound: side === 0, intake })
      const hello = node.core.ownHello(binding)
      out.send(hello.length, () => {
        if (other.isOpen) other.node.step({ type: 'hello', link: other.link, bytes: hello })
      })
    }
    this.made.push(ends[0] as End)
    return ends as [End, End]
  }

  /** Connections that are open. */
  open(): End[] {
    return this.made.filter(({ isOpen }) => isOpen)
  }

  /** Ends a connection, with all that is on its way. */
  cut(end: End | undefined): void {
    if (end === undefined || !end.isOpen) return
    for (const each of [end, end.other]) {
      each.isOpen = false
      each.out.cut()
      each.node.ends.delete(each.link)
    }
    for (const each of [end, end.other]) each.node.step({ type: 'linkDown', link: each.link })
    if (this.redialMs === Number.POSITIVE_INFINITY) return
    this.at(this.nowMs + this.redialMs, () => this.connect(end.node, end.other.node))
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms
    for (
      let event = this.#events.at(-1);
      event !== undefined && event.atMs <= untilMs;
      event = this.#events.at(-1)
    ) {
      this.#events.pop()
      this.nowMs = Math.max(this.nowMs, event.atMs)
      event.run()
    }
    this.nowMs = untilMs
  }
}
