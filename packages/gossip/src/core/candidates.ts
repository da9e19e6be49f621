/**
 * The links that are up, and which standbys may be asked for a place: those of peers that speak, one per peer, best first.
 *
 * Of several connections to one peer (both ends dialled) only one is asked, and both ends choose the same without a word:
 * the one with the lower handshake hash among those that aren't silent.
 *
 * A peer counts once, however many connections it has. All costs are linear in the number of links.
 */
import type { Limits } from '../limits.js'
import { compareLinks, type Link } from './link.js'
import type { PeerBook } from './peer-book.js'

/** What the choice is made with. */
export interface CandidatesOptions {
  readonly limits: Limits
  readonly book: PeerBook
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Points of one step of preference: peers that differ by less are chosen between by chance. */
const POINTS_PER_STEP = 10

const NO_LINKS: readonly Link[] = []

/** The links that are up. */
export class Candidates {
  readonly #options: CandidatesOptions
  readonly #up = new Set<Link>()
  /** By peer key. */
  readonly #peers = new Map<string, readonly Link[]>()

  constructor(options: CandidatesOptions) {
    this.#options = options
  }

  /** Links that are up, oldest first. */
  get up(): ReadonlySet<Link> {
    return this.#up
  }

  /** Adds a link. */
  add(link: Link): void {
    this.#up.add(link)
    this.#peers.set(link.peerId, [...this.of(link.peerId), link])
  }

  /** Takes a link out; false if it wasn't in. */
  delete(link: Link): boolean {
    if (!this.#up.delete(link)) return false
    const rest = this.of(link.peerId).filter(other => other !== link)
    if (rest.length > 0) this.#peers.set(link.peerId, rest)
    else this.#peers.delete(link.peerId)
    return true
  }

  /** Links of one peer. */
  of(peerId: string): readonly Link[] {
    return this.#peers.get(peerId) ?? NO_LINKS
  }

  /** How many active links are wanted: all where there are few peers that speak. */
  wanted(): number {
    const { activeLinks, maxActiveLinks } = this.#options.limits
    const peers = this.#speaking()
    return peers < maxActiveLinks ? peers : activeLinks
  }

  /** Are there more peers than can be active? */
  get areMany(): boolean {
    return this.#speaking() >= this.#options.limits.maxActiveLinks
  }

  #speaking(): number {
    let peers = 0
    for (const links of this.#peers.values()) if (links.some(isSpeaking)) peers++
    return peers
  }

  /** How many active links we want to have dialled ourselves. */
  wantedOutbound(): number {
    const { minOutboundLinks } = this.#options.limits
    let outbound = 0
    for (const links of this.#peers.values()) {
      if (links.some(link => link.isOutbound && isSpeaking(link))) outbound++
      if (outbound >= minOutboundLinks) break
    }
    return outbound
  }

  /** How many of those are missing among these. */
  missingOutbound(active: readonly Link[]): number {
    let missing = this.wantedOutbound()
    for (const link of active) if (link.isOutbound) missing--
    return Math.max(0, missing)
  }

  /** Standbys that said no and may be asked urgently now, by chance. */
  forPleas(nowMs: number): Link[] {
    const links = [...this.#up].filter(link => {
      return link.refusesUs && isSpeaking(link) && nowMs >= link.urgentAtMs && this.mayBeAsked(link)
    })
    return drawn(links, this.#options.random)
  }

  /** May this link be asked at all? Whether it speaks, or said no lately, is another matter. */
  mayBeAsked(link: Link): boolean {
    if (link.role === 'active' || link.askedUntilMs > 0 || link.flow === 'lagging') return false
    return this.of(link.peerId).every(other => other === link || !precedes(other, link))
  }

  /** When the next back-off ends; Infinity: none lasts. */
  nextAtMs(nowMs: number): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const link of this.#up) {
      if (link.role === 'standby' && link.backoffUntilMs > nowMs) atMs = Math.min(atMs, link.backoffUntilMs)
    }
    return atMs
  }

  /** Standbys that may be asked now: best score first, then those we dialled, then by chance. */
  sorted(nowMs: number): Link[] {
    const { book, random } = this.#options
    const ranks: { link: Link; step: number; chance: number }[] = []
    for (const link of this.#up) {
      if (link.isSuspect || link.backoffUntilMs > nowMs || !this.mayBeAsked(link)) continue
      ranks.push({
        link,
        step: Math.round(book.points(link.peerId, nowMs) / POINTS_PER_STEP),
        chance: random()
      })
    }
    ranks.sort(
      (a, b) =>
        a.step - b.step || Number(b.link.isOutbound) - Number(a.link.isOutbound) || a.chance - b.chance
    )
    return ranks.map(({ link }) => link)
  }
}

const isSpeaking = (link: Link): boolean => !link.isSuspect

// Fisher and Yates, as Durstenfeld wrote it down in 1964.
function drawn(links: Link[], random: () => number): Link[] {
  for (let i = links.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const link = links[i] as Link
    links[i] = links[j] as Link
    links[j] = link
  }
  return links
}

// Is a link of the same peer in use, or to be used first?
function precedes(other: Link, link: Link): boolean {
  if (other.role === 'active' || other.askedUntilMs > 0) return true
  return !other.isSuspect && compareLinks(other, link) < 0
}
