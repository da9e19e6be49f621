/**
 * Who counts in the party: the founder, the chains of admissions below it, and who was removed.
 *
 *   founder --admit--> member or invite --admit--> member --admit--> ...      at most `maxChain` admissions
 *
 * All answers are a function of the records that are held and of the time, never of the order in which they came.
 * Removals are weighed first, those of issuers close to the founder before others and then by digest, so that two admins
 * that remove each other are judged alike everywhere. Then the chains are walked from the founder down.
 *
 * Invariants: 1. an admission never gives more capabilities than its issuer has, nor as much depth. 2. Nothing that hangs
 * on a removed author counts; only an admin's later admission takes it back in. 3. The founder can't be removed. 4. An
 * author that was removed as an admin keeps the denials that its remover had seen, and nothing else. 5. The key of an
 * invite is no member: it may admit if the invite is unlimited, and nothing else.
 */
import b4a from 'b4a'
import { hexOf } from '../key.js'
import { type AdmitBody, CAPABILITY, type PartyRecord, type RemoveBody } from './records.js'

/** An admission, and a removal. */
export type AdmitRecord = PartyRecord<AdmitBody>
/** Takes a member out. */
export type RemoveRecord = PartyRecord<RemoveBody>

/** All capabilities: those of the founder. */
export const ALL_CAPABILITIES = 31
const SECOND_MS = 1000
const FOUNDER_RANK = 0

/** What one chain gives to its last subject. */
interface Standing {
  readonly capabilities: number
  readonly depth: number
  /** The subject is the key of an invite. */
  readonly isInvite: boolean
  /** An unlimited one: its holder admits itself, without the capability to invite. */
  readonly isBearer: boolean
  /** From the founder down. */
  readonly chain: readonly AdmitRecord[]
}

/** What the machine of admissions needs of its party. */
export interface MembersOptions {
  /** Admissions below the founder in one chain. */
  maxChain: number
  /** Digest of a record, 32 bytes; breaks ties. */
  digestOf(record: PartyRecord): Uint8Array
  /** Does the app name this author as an admin for this removal? */
  isNamed(record: RemoveRecord): boolean
}

/** See the head of this file. */
export class Members {
  readonly #options: MembersOptions
  readonly #admits = new Map<string, AdmitRecord>()
  readonly #removes = new Map<string, RemoveRecord>()
  readonly #byIssuer = new Map<string, Set<string>>()
  /** Highest `n` of the admin records of an author. */
  readonly #counted = new Map<string, number>()
  #founderId: string | null = null
  #standings = new Map<string, Standing[]>()
  #removed = new Map<string, { version: number; adminLength: number }>()
  #ranks = new Map<string, number>()
  #expiresAtMs = Number.POSITIVE_INFINITY
  #isStale = true
  #nowMs = 0
  /** Grows with everything that may change an answer. */
  changes = 0

  constructor(options: MembersOptions) {
    this.#options = options
  }

  /** Hex of the founder's author key; null as long as no genesis is known. */
  get founderId(): string | null {
    return this.#founderId
  }

  /** When an answer may change by itself, Unix ms; Infinity: never. */
  get expiresAtMs(): number {
    this.#refresh()
    return this.#expiresAtMs
  }

  /** Admissions that are held. */
  get admissions(): number {
    return this.#admits.size
  }

  /** Removals that are held. */
  get removals(): number {
    return this.#removes.size
  }

  /** Removals by one issuer (hex) that are held. */
  removalsBy(issuerId: string): number {
    return Array.from(this.#removes.values()).filter(record => hexOf(record.author) === issuerId).length
  }

  /** The time of the step. */
  at(nowMs: number): void {
    this.#nowMs = nowMs
    if (nowMs >= this.#expiresAtMs) this.#touch()
  }

  #touch(): void {
    this.#isStale = true
    this.changes++
  }

  /** The genesis was proven. */
  found(founder: Uint8Array): void {
    this.#founderId = hexOf(founder)
    this.#touch()
  }

  /** Takes a record that is held in this slot now, in place of an older one. */
  put(slotId: string, record: AdmitRecord | RemoveRecord): void {
    if (isRemove(record)) this.#removes.set(slotId, record)
    else {
      this.#admits.set(slotId, record)
      const issuerId = hexOf(record.author)
      const ofIssuer = this.#byIssuer.get(issuerId) ?? new Set()
      ofIssuer.add(slotId)
      this.#byIssuer.set(issuerId, ofIssuer)
    }
    this.#touch()
  }

  /** The record of this slot is held no more. */
  delete(slotId: string): void {
    const record = this.#admits.get(slotId)
    const isRemoval = this.#removes.delete(slotId)
    if (record !== undefined) {
      this.#admits.delete(slotId)
      this.#byIssuer.get(hexOf(record.author))?.delete(slotId)
    }
    if (isRemoval || record !== undefined) this.#touch()
  }

  /** Admissions of one issuer (hex) that are held. */
  admissionsOf(issuerId: string): number {
    return this.#byIssuer.get(issuerId)?.size ?? 0
  }

  /** Counts an admin record of this author. */
  count(authorId: string, n: number): void {
    if (n > (this.#counted.get(authorId) ?? 0)) this.#counted.set(authorId, n)
  }

  /** Number for the next admin record of this author: 0 for the founder and for who is no admin. */
  nextNumber(authorId: string): number {
    if (authorId === this.#founderId || !this.isAdmin(authorId)) return 0
    const n = (this.#counted.get(authorId) ?? 0) + 1
    this.#counted.set(authorId, n)
    return n
  }

  /** Was this author removed, and not admitted again by an admin since? */
  isRemoved(authorId: string): boolean {
    this.#refresh()
    return this.#removed.has(authorId) && !this.#standings.has(authorId)
  }

  /** Bits of `CAPABILITY`, over all valid chains; 0: not a member by admission. */
  capabilitiesOf(authorId: string): number {
    this.#refresh()
    if (authorId === this.#founderId) return ALL_CAPABILITIES
    let capabilities = 0
    for (const standing of this.#personal(authorId)) capabilities |= standing.capabilities
    return capabilities
  }

  /** Founder, or admitted as an admin. */
  isAdmin(authorId: string): boolean {
    return (this.capabilitiesOf(authorId) & CAPABILITY.admin) !== 0
  }

  /** Does a denial with this number count by its author's office? That of a removed admin does if its remover saw it. */
  mayDeny(authorId: string, n: number): boolean {
    if (this.isAdmin(authorId)) return true
    const removal = this.#removed.get(authorId)
    return removal !== undefined && n < removal.adminLength && this.#ranks.has(authorId)
  }

  /** Is, or was, its author an admin? Then it is held, since who counts is found out from all such records together. */
  isOfAdmin(record: PartyRecord): boolean {
    this.#refresh()
    return this.#ranks.has(hexOf(record.author))
  }

  /** Highest version that removes this author (hex); 0: none does. */
  removalOf(authorId: string): number {
    this.#refresh()
    return this.#removed.get(authorId)?.version ?? 0
  }

  /** Does this admission hang on the founder by a valid chain? */
  isValid(record: AdmitRecord): boolean {
    this.#refresh()
    return this.#parents(record).some(parent => this.#isAllowed(record, parent))
  }

  /** Admissions that hang on nothing: their chain was cut, or they expired. Those of admins are held all the same. */
  invalid(): AdmitRecord[] {
    return Array.from(this.#admits.values()).filter(
      record => !has(record.body.capabilities, 'admin') && !this.isValid(record)
    )
  }

  /** Those who were removed and aren't back (hex). */
  removed(): string[] {
    this.#refresh()
    return Array.from(this.#removed.keys()).filter(id => !this.#standings.has(id))
  }

  /** All who are members by admission (hex), without the founder. */
  members(): string[] {
    return this.subjects().filter(id => this.#personal(id).length > 0)
  }

  /** All whose admission counts (hex): members, and the keys of invites. */
  subjects(): string[] {
    this.#refresh()
    return Array.from(this.#standings.keys())
  }

  /** Is there an admission of this subject (hex) that counts? */
  isAdmitted(subjectId: string): boolean {
    this.#refresh()
    return this.#standings.has(subjectId)
  }

  /** The admissions that count and make this key (hex) an invite's, each with its chain from the founder down. */
  invites(inviteId: string): readonly (readonly AdmitRecord[])[] {
    this.#refresh()
    return (this.#standings.get(inviteId) ?? []).filter(one => one.isInvite).map(one => one.chain)
  }

  /** The admission that makes this subject (hex) what it is, as a member or as an invite: that of the shortest chain. */
  lastOf(subjectId: string): AdmitRecord | null {
    const [invite] = this.invites(subjectId)
    return (this.chainOf(subjectId) ?? invite)?.at(-1) ?? null
  }

  #personal(authorId: string): readonly Standing[] {
    return (this.#standings.get(authorId) ?? []).filter(standing => !standing.isInvite)
  }

  /** The shortest chain of an author, from the founder down; empty for the founder, null without one. */
  chainOf(authorId: string): readonly AdmitRecord[] | null {
    this.#refresh()
    if (authorId === this.#founderId) return []
    const chains = this.#personal(authorId).map(standing => standing.chain)
    return chains.sort((a, b) => a.length - b.length)[0] ?? null
  }

  /** How many admissions may follow below this author. */
  depthOf(authorId: string): number {
    this.#refresh()
    const own = authorId === this.#founderId ? [this.#founder()] : this.#personal(authorId)
    const depths = own.map(standing => standing.depth)
    return Math.max(0, ...depths)
  }

  #refresh(): void {
    if (!this.#isStale) return
    this.#isStale = false
    this.#expiresAtMs = Number.POSITIVE_INFINITY
    for (const { body } of this.#admits.values()) {
      const atMs = body.expiresSeconds * SECOND_MS
      if (atMs > this.#nowMs && atMs < this.#expiresAtMs) this.#expiresAtMs = atMs
    }
    this.#removed = new Map()
    this.#ranks = this.#rank()
    this.#walk()
    this.#weighRemovals()
  }

  // Each removal that counts may void the issuer of one further down, never of one before it.
  #weighRemovals(): void {
    if (this.#removes.size === 0) return
    const rankOf = (record: RemoveRecord): number =>
      this.#ranks.get(hexOf(record.author)) ?? Number.MAX_SAFE_INTEGER
    const { digestOf, isNamed } = this.#options
    const ordered = Array.from(this.#removes.values())
      .map(record => ({ record, rank: rankOf(record), digest: digestOf(record) }))
      .sort((a, b) => a.rank - b.rank || b4a.compare(a.digest, b.digest))
    for (const { record } of ordered) {
      const authorId = hexOf(record.author)
      const subjectId = hexOf(record.body.subject)
      if (subjectId === this.#founderId) continue
      if (!this.#mayRemove(authorId, record.body.n) && !isNamed(record)) continue
      const other = this.#removed.get(subjectId)
      this.#removed.set(subjectId, {
        version: Math.max(record.body.version, other?.version ?? 0),
        adminLength: Math.max(record.body.adminLength, other?.adminLength ?? 0)
      })
      if (this.#standings.has(subjectId)) this.#walk()
    }
  }

  #mayRemove(authorId: string, n: number): boolean {
    if (authorId === this.#founderId) return true
    const isInOffice = this.#personal(authorId).some(one => has(one.capabilities, 'admin'))
    if (isInOffice) return true
    const removal = this.#removed.get(authorId)
    return removal !== undefined && n < removal.adminLength && this.#ranks.has(authorId)
  }

  /** Admins by their distance from the founder, whatever was removed since. */
  #rank(): Map<string, number> {
    const ranks = new Map<string, number>()
    if (this.#founderId === null) return ranks
    ranks.set(this.#founderId, FOUNDER_RANK)
    for (const [issuerId, rank] of ranks) {
      if (rank >= this.#options.maxChain) continue
      for (const slotId of this.#byIssuer.get(issuerId) ?? []) {
        const { body } = this.#admits.get(slotId) as AdmitRecord
        const subjectId = hexOf(body.subject)
        if (has(body.capabilities, 'admin') && !ranks.has(subjectId)) ranks.set(subjectId, rank + 1)
      }
    }
    return ranks
  }

  #walk(): void {
    this.#standings = new Map()
    if (this.#founderId === null) return
    const queue: { id: string; standing: Standing }[] = [{ id: this.#founderId, standing: this.#founder() }]
    for (const { id, standing } of queue) {
      for (const slotId of this.#byIssuer.get(id) ?? []) {
        const record = this.#admits.get(slotId) as AdmitRecord
        if (!this.#isAllowed(record, standing)) continue
        const subjectId = hexOf(record.body.subject)
        const next = standingBelow(standing, record)
        const known = this.#standings.get(subjectId) ?? []
        if (subjectId === this.#founderId || known.some(one => covers(one, next))) continue
        this.#standings.set(subjectId, [...known.filter(one => !covers(next, one)), next])
        queue.push({ id: subjectId, standing: next })
      }
    }
  }

  #founder(): Standing {
    const none = { isInvite: false, isBearer: false, chain: [] }
    return { capabilities: ALL_CAPABILITIES, depth: this.#options.maxChain, ...none }
  }

  #parents(record: AdmitRecord): readonly Standing[] {
    const issuerId = hexOf(record.author)
    return issuerId === this.#founderId ? [this.#founder()] : (this.#standings.get(issuerId) ?? [])
  }

  #isAllowed({ body }: AdmitRecord, issuer: Standing): boolean {
    const mayInvite = issuer.isInvite ? issuer.isBearer : has(issuer.capabilities, 'invite')
    if (!mayInvite) return false
    if (body.depth >= issuer.depth || (body.capabilities & ~issuer.capabilities) !== 0) return false
    if (body.expiresSeconds > 0 && body.expiresSeconds * SECOND_MS <= this.#nowMs) return false
    const removal = this.#removed.get(hexOf(body.subject))
    const isOfAdmin = !issuer.isInvite && has(issuer.capabilities, 'admin')
    return removal === undefined || (isOfAdmin && body.version > removal.version)
  }
}

function standingBelow(issuer: Standing, record: AdmitRecord): Standing {
  const { capabilities, depth, uses } = record.body
  const isInvite = isInviteOf(record.body)
  return { capabilities, depth, isInvite, isBearer: uses === 0, chain: [...issuer.chain, record] }
}

/** Does this admission make an invite, rather than a member? One that is counted names itself as what it came by. */
export function isInviteOf({ uses, via, subject }: AdmitBody): boolean {
  return uses === 0 || (via !== null && b4a.equals(via, subject))
}

function covers(a: Standing, b: Standing): boolean {
  if (a.isInvite !== b.isInvite) return false
  return (b.capabilities & ~a.capabilities) === 0 && a.depth >= b.depth && (a.isBearer || !b.isBearer)
}

function has(capabilities: number, name: keyof typeof CAPABILITY): boolean {
  return (capabilities & CAPABILITY[name]) !== 0
}

function isRemove(record: AdmitRecord | RemoveRecord): record is RemoveRecord {
  return record.body.kind === 'remove'
}
