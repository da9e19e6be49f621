/**
 * How often invites were redeemed: each admission that names an invite as what its subject came by is one use.
 *
 * The records are the count: the admission is logged before the newcomer is answered, so a use survives whatever comes
 * after. What voids the admission later, a removal or its expiry, gives the use not back.
 *
 * Invariant: uses by others are remembered up to `max`, the oldest goes first; ours are as many as the log has of them.
 */
import { hexOf } from '../key.js'
import { isInviteOf } from './members.js'
import type { PartyRecord } from './records.js'

/** See the head of this file. */
export class InviteUses {
  readonly #ownId: string
  readonly #max: number
  /** By invite: who came by it, and who says so (hex). */
  readonly #byInvite = new Map<string, Map<string, Set<string>>>()
  /** Uses by others, oldest first: invite, subject, admitter. */
  readonly #others: [string, string, string][] = []

  constructor(ownId: string, max: number) {
    this.#ownId = ownId
    this.#max = max
  }

  /** A record is held that counts. */
  note({ author, body }: PartyRecord): void {
    if (body.kind !== 'admit' || body.via === null || isInviteOf(body)) return
    this.use(hexOf(body.via), hexOf(body.subject), hexOf(author))
  }

  /** A use begins to count, before its record is written. */
  use(inviteId: string, subjectId: string, byId: string): void {
    const uses = this.#byInvite.get(inviteId) ?? new Map<string, Set<string>>()
    const admitters = uses.get(subjectId) ?? new Set<string>()
    if (admitters.has(byId)) return
    this.#byInvite.set(inviteId, uses.set(subjectId, admitters.add(byId)))
    if (byId === this.#ownId) return
    this.#others.push([inviteId, subjectId, byId])
    if (this.#others.length > this.#max) this.unuse(...(this.#others.shift() as [string, string, string]))
  }

  /** A use counts no more: its record couldn't be written. */
  unuse(inviteId: string, subjectId: string, byId: string): void {
    const uses = this.#byInvite.get(inviteId)
    const admitters = uses?.get(subjectId)
    admitters?.delete(byId)
    if (admitters?.size === 0) uses?.delete(subjectId)
    if (uses?.size === 0) this.#byInvite.delete(inviteId)
  }

  /** Who (hex) came by an invite, as far as those say it of whom `counts` says that they may admit by it. */
  subjects(inviteId: string, counts: (byId: string) => boolean): Set<string> {
    const subjects = new Set<string>()
    for (const [subjectId, admitters] of this.#byInvite.get(inviteId) ?? []) {
      if (Array.from(admitters).some(counts)) subjects.add(subjectId)
    }
    return subjects
  }
}
