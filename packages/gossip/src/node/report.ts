/**
 * Why messages of an incarnation are late, in the words of the application: peers for links, times from now.
 */
import type { IncarnationState, LinkId } from '../core/types.js'
import type { IncarnationReport, Peer } from '../types.js'

/** What it takes to say that: who is behind a link (null: nobody any more), and the time of the core. */
interface Looking {
  peerOf(link: LinkId | null): Peer | null
  readonly nowMs: number
}

/** The report on one incarnation. */
export function reportOf(state: IncarnationState, { peerOf, nowMs }: Looking): IncarnationReport {
  const { incarnation, watermark, top, lastHave } = state
  const children = new Set<Peer>()
  for (const link of state.children) {
    const peer = peerOf(link)
    if (peer !== null) children.add(peer)
  }
  return {
    incarnation,
    parent: peerOf(state.parent),
    children: [...children],
    watermark,
    top,
    ahead: Math.max(0, top - watermark),
    gaps: state.gaps.map(({ from, to, askedOf, nextAtMs }) => ({
      from,
      to,
      askedOf: peerOf(askedOf),
      nextInMs: Math.max(0, nextAtMs - nowMs)
    })),
    lastHave: lastHave && { from: peerOf(lastHave.link), agoMs: Math.max(0, nowMs - lastHave.atMs) }
  }
}
