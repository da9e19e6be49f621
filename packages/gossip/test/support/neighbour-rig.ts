/** The machine of neighbours.ts alone, driven by hand: links that come up, words that come, words that are said. */
import { type Link, makeLink } from '#gossip/core/link'
import { Neighbours } from '#gossip/core/neighbours'
import { Outbox } from '#gossip/core/outbox'
import { PeerBook } from '#gossip/core/peer-book'
import type { TopicEffect } from '#gossip/core/types'
import { LIMITS, type Limits } from '#gossip/limits'
import { bindings, type LinkOp, noiseKey, START_MS } from './core-rig.js'

/** What a LINK frame says, beside its word. */
export interface WordDetails {
  high?: boolean
  backoffMs?: number
  degree?: number
}

/** See the head of this file. */
export class NeighbourRig {
  readonly limits: Limits
  readonly outbox = new Outbox(undefined)
  readonly book: PeerBook
  readonly neighbours: Neighbours
  /** Links that bring the messages of busy authors. */
  readonly feeding = new Set<Link>()
  /** Roles as the trees are told of them: `+1`, `-1`. */
  readonly changes: string[] = []
  /** Machines on top, which are due after this one. */
  readonly others: { readonly nextAtMs: number; due: (nowMs: number) => void }[] = []
  /** How often a score was looked up: the cost of choosing. */
  lookups = 0
  nowMs = START_MS
  #links = 0

  constructor(limits: Partial<Limits> = {}, seed = 1) {
    this.limits = { ...LIMITS, ...limits }
    this.book = new PeerBook(this.limits)
    const points = this.book.points.bind(this.book)
    this.book.points = (peerId, nowMs) => {
      this.lookups++
      return points(peerId, nowMs)
    }
    let state = seed
    this.neighbours = new Neighbours({
      limits: this.limits,
      outbox: this.outbox,
      book: this.book,
      random: () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        return state / 2 ** 32
      },
      listener: {
        linkActive: link => this.changes.push(`+${link.id}`),
        linkInactive: link => this.changes.push(`-${link.id}`),
        isFeeding: link => this.feeding.has(link)
      }
    })
  }

  /** A link comes up. `peer`: default one of its own; `salt` orders the connections of one peer. */
  up(about: { peer?: number; salt?: number; inbound?: boolean } = {}): Link {
    const id = ++this.#links
    const { peer = 1000 + id, salt = id, inbound = false } = about
    const [binding] = bindings(noiseKey(1), noiseKey(peer), salt)
    const opening = { binding, outbound: !inbound, peerId: `peer ${peer}` }
    const link = makeLink(id, opening, { limits: this.limits, nowMs: this.nowMs })
    link.state = 'up'
    this.neighbours.add(link, this.nowMs)
    return link
  }

  /** So many links that come up, in one step. */
  many(count: number, about: { inbound?: boolean } = {}): Link[] {
    return Array.from({ length: count }, () => this.up(about))
  }

  /** The other end says a word. Returns whether it may ask so often. */
  hear(link: Link, op: LinkOp, details: WordDetails = {}): boolean {
    this.neighbours.heard(link, this.nowMs)
    return this.neighbours.frame(link, { op, high: false, backoffMs: 0, degree: 6, ...details }, this.nowMs)
  }

  /** Any other frame comes. */
  frame(...links: Link[]): void {
    for (const link of links) this.neighbours.heard(link, this.nowMs)
  }

  /** The end of a step. Returns what was said since the last: `op link`, an urgent one with `!`, and other effects. */
  step(): string[] {
    for (const link of this.neighbours.due(this.nowMs)) {
      this.outbox.send(link, { class: 0, frame: { kind: 'have', have: 'live', entries: [] } }, this.nowMs)
    }
    for (const { due } of this.others) due(this.nowMs)
    return this.outbox.take().flatMap(textOf)
  }

  /** Lets time pass, with a step whenever one is due; `speaks` say something all the time. Returns what was said. */
  pass(ms: number, ...speaks: Link[]): string[] {
    const untilMs = this.nowMs + ms
    const said: string[] = []
    const nextAtMs = (): number => Math.min(...[this.neighbours, ...this.others].map(each => each.nextAtMs))
    while (nextAtMs() <= untilMs) {
      this.nowMs = Math.max(this.nowMs, nextAtMs())
      this.frame(...speaks)
      said.push(...this.step())
    }
    this.nowMs = untilMs
    this.frame(...speaks)
    return [...said, ...this.step()]
  }

  /** So many links that are active: all asked, all said ok. */
  active(count: number, about: { inbound?: boolean } = {}): Link[] {
    const links = this.many(count, about)
    this.step()
    for (const link of links)
      this.hear(link, about.inbound === true && link.askedUntilMs === 0 ? 'ask' : 'ok')
    this.step()
    return links
  }

  /** Numbers of the active links. */
  get roles(): number[] {
    return this.neighbours.active.map(({ id }) => id)
  }
}

function textOf(effect: TopicEffect): string[] {
  if (effect.type === 'isolated') return [`isolated ${effect.reason}`]
  if (effect.type === 'rejoined') return ['rejoined']
  if (effect.type === 'hint') return [`hint ${effect.peerKey[3]}`]
  if (effect.type !== 'send') return []
  const { frame, link } = effect
  if (frame.kind === 'have') return [`live ${link}`]
  if (frame.kind === 'peers') return [`peers ${link}: ${frame.keys.map(key => key[3]).sort()}`]
  return frame.kind === 'link' ? [`${frame.op}${frame.high ? '!' : ''} ${link}`] : []
}

/** Without the signs of life. */
export const words = (said: readonly string[]): string[] => said.filter(word => !word.startsWith('live'))
