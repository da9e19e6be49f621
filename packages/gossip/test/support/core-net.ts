/**
 * Topic cores joined by links with latency, on one event queue. For unit tests of the core; no real time, no I/O.
 */

import { FrameWriter, type WrittenFrame } from '#gossip/core/frame-writer'
import { TopicCore } from '#gossip/core/topic-core'
import type { LinkId, TopicCoreOptions, TopicEffect, TopicInput, Verdict } from '#gossip/core/types'
import { bindings, bytesOf, coreOptions, type EffectOf, Log, noiseKey, START_MS } from './core-rig.js'

export * from './core-rig.js'

interface Event {
  atMs: number
  order: number
  run: () => void
}

/** A node of a net. */
export class Node {
  readonly core: TopicCore
  readonly log = new Log()
  readonly number: number
  readonly options: TopicCoreOptions
  sent = { batch: 0, have: 0, want: 0, miss: 0, other: 0 }
  answer: ((ask: EffectOf<'ask'>) => readonly Verdict[] | null) | null = null
  readonly ends = new Map<LinkId, { node: Node; link: LinkId; latencyMs: number; writer: FrameWriter }>()
  readonly #net: Net
  #wake = 0

  constructor(net: Net, number: number, overrides: Parameters<typeof coreOptions>[1]) {
    this.#net = net
    this.number = number
    this.options = coreOptions(number, { startMs: net.nowMs, ...overrides })
    this.core = new TopicCore(this.options)
  }

  step(input: TopicInput): void {
    const effects = this.core.step(input, this.#net.nowMs)
    this.log.add(effects)
    for (const effect of effects) this.#apply(effect)
  }

  publish(text: string): void {
    this.step({ type: 'publish', publish: ++this.#net.publishes, payload: bytesOf(text) })
  }

  #apply(effect: TopicEffect): void {
    if (effect.type === 'send') this.#send(effect)
    if (effect.type === 'wake') {
      const wish = ++this.#wake
      if (effect.atMs === Number.POSITIVE_INFINITY) return
      this.#net.at(effect.atMs, () => wish === this.#wake && this.step({ type: 'tick' }))
    }
    if (effect.type === 'closeLink') this.#net.cut(this, effect.link, false)
    if (effect.type === 'ask') {
      const verdicts = this.answer?.(effect)
      if (verdicts)
        this.#net.at(this.#net.nowMs, () =>
          this.step({ type: 'answer', question: effect.question, verdicts })
        )
    }
  }

  #send(effect: EffectOf<'send'>): void {
    const end = this.ends.get(effect.link)
    if (end === undefined) throw new Error('sent to a link that is closed')
    const kind = effect.frame.kind
    if (kind === 'batch' || kind === 'have' || kind === 'want' || kind === 'miss') this.sent[kind]++
    else this.sent.other++
    const out: WrittenFrame[] = []
    end.writer.write(effect.frame, out)
    for (const written of out) {
      if (this.#net.isLost(this, end.node, written.kind, written.bytes)) continue
      const bytes = written.bytes.slice()
      this.#net.at(this.#net.nowMs + end.latencyMs, () => {
        if (!end.node.ends.has(end.link)) return
        end.node.step({ type: 'frame', link: end.link, kind: written.kind, bytes })
        bytes.fill(0xee) // the core must have copied what it keeps
      })
    }
  }
}

/** Cores, links, one clock. */
export class Net {
  nowMs = START_MS
  publishes = 0
  isLost: (from: Node, to: Node, kind: number, bytes: Uint8Array) => boolean = () => false
  readonly nodes: Node[] = []
  readonly #events: Event[] = []
  #order = 0
  #links = 0

  node(overrides: Parameters<typeof coreOptions>[1] & { seed?: number } = {}): Node {
    const { seed, ...rest } = overrides
    const node = new Node(this, seed ?? this.nodes.length + 1, rest)
    this.nodes.push(node)
    return node
  }

  at(atMs: number, run: () => void): void {
    const event = { atMs: Math.max(atMs, this.nowMs), order: ++this.#order, run }
    let i = this.#events.length
    while (i > 0 && isLater(this.#events[i - 1] as Event, event)) i--
    this.#events.splice(i, 0, event)
  }

  link(a: Node, b: Node, latencyMs = 10): [LinkId, LinkId] {
    const la = ++this.#links
    const lb = ++this.#links
    const [ba, bb] = bindings(noiseKey(this.nodes.indexOf(a)), noiseKey(this.nodes.indexOf(b)), la)
    a.ends.set(la, { node: b, link: lb, latencyMs, writer: new FrameWriter(a.options.limits, la) })
    b.ends.set(lb, { node: a, link: la, latencyMs, writer: new FrameWriter(b.options.limits, lb) })
    a.step({ type: 'linkOpening', link: la, binding: ba, outbound: true })
    b.step({ type: 'linkOpening', link: lb, binding: bb, outbound: false })
    const helloA = a.core.ownHello(ba)
    const helloB = b.core.ownHello(bb)
    this.at(
      this.nowMs + latencyMs,
      () => b.ends.has(lb) && b.step({ type: 'hello', link: lb, bytes: helloA })
    )
    this.at(
      this.nowMs + latencyMs,
      () => a.ends.has(la) && a.step({ type: 'hello', link: la, bytes: helloB })
    )
    return [la, lb]
  }

  cut(node: Node, link: LinkId, tellsNode = true): void {
    const end = node.ends.get(link)
    if (end === undefined) return
    node.ends.delete(link)
    if (tellsNode) node.step({ type: 'linkDown', link })
    if (end.node.ends.delete(end.link)) end.node.step({ type: 'linkDown', link: end.link })
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms
    for (let event = this.#events[0]; event !== undefined && event.atMs <= untilMs; event = this.#events[0]) {
      this.#events.shift()
      this.nowMs = Math.max(this.nowMs, event.atMs)
      event.run()
    }
    this.nowMs = untilMs
  }
}

const isLater = (a: Event, b: Event): boolean => a.atMs > b.atMs || (a.atMs === b.atMs && a.order > b.order)
