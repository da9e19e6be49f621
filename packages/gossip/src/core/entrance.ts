/**
 * What a link may do before it is up: say hello, wait for admit(), and have some frames held meanwhile.
 *
 *   opening --right hello, nobody to ask----> up
 *   opening --right hello-------------------> admitting   effect 'ask'
 *   admitting --accept----------------------> up          held frames are interpreted, in order
 *   admitting --anything else, no answer----> closed
 *   admitting --an AUTHOR that finds no room> closed      what follows could not be understood
 */
import type { Clock } from './clock.js'
import { FrameKind } from './frames.js'
import type { Link } from './link.js'
import type { Links } from './links.js'
import type { Outbox } from './outbox.js'
import type { Questions } from './questions.js'
import type { LinkId } from './types.js'

/** A question about a link; those about authors and batches belong to the receiver. */
export interface AdmitQuestion {
  readonly about: 'admit'
  readonly link: Link
}

/** What the entrance works with. */
export interface EntranceParts {
  readonly links: Links
  readonly questions: Questions<unknown>
  readonly outbox: Outbox
  readonly clock: Clock
  /** Does somebody have to be asked? */
  readonly asks: boolean
  /** Takes frames of links that are up. */
  readonly interpret: (link: Link, kind: number, bytes: Uint8Array) => void
}

/** Lets links in. */
export class Entrance {
  readonly #parts: EntranceParts

  constructor(parts: EntranceParts) {
    this.#parts = parts
  }

  /** The remote's hello. */
  hello(id: LinkId, bytes: Uint8Array): void {
    const { links, questions, outbox, clock } = this.#parts
    const link = links.get(id)
    if (link === undefined || !links.hello(link, bytes, clock)) return
    if (!this.#parts.asks) {
      this.#up(link)
      return
    }
    const question = questions.ask({ about: 'admit', link }, clock.nowMs)
    outbox.add({ type: 'ask', question, about: 'admit', link: id })
  }

  /** A frame; interpreted only if the link is up. */
  frame(id: LinkId, kind: number, bytes: Uint8Array): void {
    const { links, outbox, clock } = this.#parts
    const link = links.get(id)
    // Frames that were under way when we closed the link come here, too.
    if (link === undefined || link.state === 'opening') outbox.drop(id, 'unproven', 0)
    else if (link.state === 'up') this.#parts.interpret(link, kind, bytes)
    else if (links.hold(link, { kind, bytes })) return
    // Frames that name the author would be a violation by somebody who did nothing wrong: better a new channel.
    else if (kind === FrameKind.author) links.close(link, 'limit', { backoffMs: 0, nowMs: clock.nowMs })
    else outbox.drop(id, 'unadmitted', 0)
  }

  /** The answer about a link, perhaps long after it went. */
  answered(link: Link, isAdmitted: boolean): void {
    const { links, clock } = this.#parts
    if (links.get(link.id) !== link || link.state !== 'admitting') return
    if (isAdmitted) this.#up(link)
    else links.refuse(link, clock.nowMs)
  }

  #up(link: Link): void {
    const { links, clock } = this.#parts
    for (const { kind, bytes } of links.up(link, clock.nowMs)) {
      // An earlier one may have cost the link.
      if (links.get(link.id) === link) this.#parts.interpret(link, kind, bytes)
    }
  }
}

/** Is this a question about a link? */
export function isAdmit(item: unknown): item is AdmitQuestion {
  return (item as { about: string }).about === 'admit'
}
