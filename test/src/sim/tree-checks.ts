/**
 * What must hold of links and trees after every step, and of links when all is at rest. Any violation throws.
 *
 *   A1  the parent of a tree is no child
 *   A2  a batch goes to no link of the peer that brought it
 *   A4  what others publish is pushed to active links only; so there are never more copies than a flood makes
 *   L2  at most so many links are active, and at most one of each peer
 *   L3  when nothing has changed for two seconds, both ends agree on what is active
 *   R1  one seq is asked of one link at a time
 */
import { type Batch, FrameKind, type LinkId, type TopicEffect, type TopicInput } from '@hearsay/gossip/core'
import type { Port, SimNode } from './node.js'

/** Ends a run: an invariant, where, and what broke it. */
export type Fail = (invariant: string, node: SimNode, what: string) => never

/** Seqs that a link was asked for. */
interface Ask {
  readonly link: LinkId
  readonly stream: string
  readonly from: number
  readonly to: number
  readonly atMs: number
}

/** One life of a process. */
interface Life {
  readonly boot: number
  readonly active: Set<LinkId>
  asks: Ask[]
}

type Send = Extract<TopicEffect, { type: 'send' }>

/** Roles may differ for so long: an answer is on its way, or comes too late. */
const AGREEMENT_MS = 2000

/** Watches links and trees of all processes. */
export class TreeChecks {
  /** Batches pushed, and pushed to those who hadn't them: what redundancy is made of. */
  asked = 0
  readonly #fail: Fail
  readonly #lives = new Map<SimNode, Life>()

  constructor(fail: Fail) {
    this.#fail = fail
  }

  /** Before a step: answers end questions. */
  before(node: SimNode, input: TopicInput): void {
    const isAnswer =
      input.type === 'frame' && (input.kind === FrameKind.batch || input.kind === FrameKind.miss)
    if (!isAnswer && input.type !== 'linkDown') return
    const life = this.#lifeOf(node)
    life.asks = life.asks.filter(({ link }) => link !== input.link)
  }

  /** After a step. */
  after(node: SimNode, effects: readonly TopicEffect[]): void {
    const life = this.#lifeOf(node)
    for (const effect of effects) {
      if (effect.type === 'linkRole') this.#onRole(node, life, effect)
      else if (effect.type === 'linkDown') life.active.delete(effect.link)
      else if (effect.type === 'send') this.#onSend(node, life, effect)
      else if (effect.type === 'deliver' && effect.link !== null) this.#onDeliver(node, effect.batch)
    }
    this.#checkEcho(node, effects)
  }

  /** L3: call it when nothing breaks any more. */
  checkAgreement(connections: readonly { readonly ports: readonly [Port, Port] }[], nowMs: number): number {
    let agreed = 0
    for (const { ports } of connections) {
      const [a, b] = ports
      const ends = [a.remote, b.remote]
      if (!ports.every(port => port.isUp) || ends.some(node => node.isSilent || node.options.isHostile))
        continue
      if (ports.some(({ roleMs }) => nowMs < roleMs + AGREEMENT_MS)) continue
      agreed++
      if (a.role !== b.role)
        this.#fail('L3', b.remote, `link ${a.link} is ${a.role}, ${a.remote.options.name} says ${b.role}`)
    }
    return agreed
  }

  #onRole(node: SimNode, { active }: Life, { link, role }: Extract<TopicEffect, { type: 'linkRole' }>): void {
    if (role === 'standby') {
      active.delete(link)
      return
    }
    active.add(link)
    const { maxActiveLinks } = node.options.limits
    if (active.size > maxActiveLinks) this.#fail('L2', node, `${active.size} links are active`)
    const remotes = Array.from(active, id => node.ports.get(id)?.remote).filter(
      remote => remote !== undefined
    )
    if (new Set(remotes).size < remotes.length) this.#fail('L2', node, `two links to one peer are active`)
  }

  #onSend(node: SimNode, life: Life, { frame, link }: Send): void {
    if (frame.kind === 'batch' && !frame.repair) {
      const isOwn = frame.hops === 0 && frame.batch.ref.authorId === node.authorId
      if (!isOwn && !life.active.has(link))
        this.#fail('A4', node, `pushed to link ${link}, which isn't active`)
    }
    if (frame.kind !== 'want') return
    const { wantTimeoutMs } = node.options.limits
    const { nowMs } = node // in whole ms, as the core counts
    life.asks = life.asks.filter(({ atMs }) => nowMs < atMs + wantTimeoutMs)
    for (const { ref, from, count } of frame.ranges) {
      if (count === 0) continue
      const stream = `${ref.authorId}/${ref.incarnationId}`
      const ask = { link, stream, from, to: from + count - 1, atMs: nowMs }
      const other = life.asks.find(
        each => each.link !== link && each.stream === stream && each.from <= ask.to && ask.from <= each.to
      )
      if (other !== undefined)
        this.#fail(
          'R1',
          node,
          `${stream} ${from} was asked of link ${other.link} ${nowMs - other.atMs} ms ago`
        )
      life.asks.push(ask)
      this.asked++
    }
  }

  #onDeliver(node: SimNode, { ref }: Batch): void {
    for (const { incarnation, parent, children } of node.core.explain(ref.authorId)) {
      if (parent !== null && children.includes(parent))
        this.#fail('A1', node, `link ${parent} is parent and child of ${incarnation}`)
    }
  }

  #checkEcho(node: SimNode, effects: readonly TopicEffect[]): void {
    for (const { type, link, batch } of effects as Extract<TopicEffect, { type: 'deliver' }>[]) {
      const from = type === 'deliver' && link !== null ? node.ports.get(link)?.remote : undefined
      if (from === undefined) continue
      for (const effect of effects) {
        if (effect.type !== 'send' || effect.frame.kind !== 'batch' || effect.frame.batch !== batch) continue
        if (!effect.frame.repair && node.ports.get(effect.link)?.remote === from)
          this.#fail('A2', node, `pushed back to ${from.options.name}, over another link`)
      }
    }
  }

  #lifeOf(node: SimNode): Life {
    const known = this.#lives.get(node)
    if (known?.boot === node.boot) return known
    const life: Life = { boot: node.boot, active: new Set(), asks: [] }
    this.#lives.set(node, life)
    return life
  }
}
