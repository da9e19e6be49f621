/**
 * Who misses something: one record per incarnation, found by its ref, or by its name as long as it has no entry.
 *
 * Bounds: what has an entry is bounded by the author table; the rest by `maxAuthorsPerPeer` for each link that named them
 * and by `maxAuthors` in all. A false HAVE can name a thousand authors that don't exist.
 */
import type { Limits } from '../limits.js'
import type { AuthorEntry } from './author-entry.js'
import { type Gap, Gaps } from './gaps.js'
import { nameOf } from './keys.js'
import type { AuthorRef, LinkId } from './types.js'

/** Repair of one incarnation that misses something. */
export interface Patient {
  readonly ref: AuthorRef
  /** Null: no batch of it was accepted yet. */
  entry: AuthorEntry | null
  readonly gaps: Gaps
  /** Without an entry: seqs below can't be had. */
  floor: number
  /** First and last seq of an authentic batch that was refused because of the lowest gap; -1: none. */
  refusedSeq: number
  refusedTo: number
  /** Who named it first. */
  readonly link: LinkId
  readonly sinceMs: number
  /** Without an entry: link that told its watermark last, and when; -1: none did. */
  haveFrom: LinkId
  haveMs: number
}

/** Highest seq that isn't waited for any more. */
export const watermarkOf = (patient: Patient): number => patient.entry?.watermark ?? patient.floor - 1

/** How far above its watermark an incarnation is heard: further up a hole would leave the window before it is filled. */
export const reachOf = ({ entry }: Patient, { maxWindowSeqs }: Limits): number =>
  entry?.window.seqs ?? maxWindowSeqs

/** Does an authentic batch lie above the gap? */
export function isProven(patient: Patient, gap: Gap): boolean {
  return gap.to < Math.max(patient.entry?.window.top ?? -1, patient.refusedSeq)
}

/** Was somebody asked who didn't have it, or didn't answer? */
export function hasFailed({ missed, gone, firstAskedMs }: Gap): boolean {
  return missed.length + gone.length > 0 || firstAskedMs < Number.POSITIVE_INFINITY
}

/** Is there nobody to ask for it, until something new is heard? */
export const isStuck = (gap: Gap): boolean => gap.nextAtMs === Number.POSITIVE_INFINITY

/** Is nobody left to ask about an incarnation without an entry? What was learned of it so far is kept while it may live. */
export function isRemembered({ entry, gaps }: Patient): boolean {
  return entry === null && gaps.list.every(isStuck)
}

/** When something is to be asked for, given up or forgotten. */
export function dueAtMs(patient: Patient, times: { nowMs: number; highMs: number }, limits: Limits): number {
  const { gaps, sinceMs } = patient
  // Only the lowest is given up.
  const expiresMs = gaps.list[0]?.expiresMs ?? Number.POSITIVE_INFINITY
  let atMs = times.nowMs + Math.max(1, expiresMs - times.highMs + 1)
  for (const gap of gaps.list) atMs = Math.min(atMs, gap.nextAtMs)
  return isRemembered(patient) ? Math.min(atMs, sinceMs + limits.maxTtlMs + 1) : atMs
}

/** All that miss something, in the order in which that was noticed. */
export class Patients {
  readonly #limits: Limits
  readonly #all = new Map<AuthorRef, Patient>()
  readonly #strangers = new Map<string, Patient>()
  readonly #strangersOf = new Map<LinkId, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** How many there are. */
  get size(): number {
    return this.#all.size
  }

  /** Oldest first; those that are removed meanwhile are skipped. */
  all(): Iterable<Patient> {
    return this.#all.values()
  }

  /** The record of an incarnation, by the one ref that stands for it. */
  get(ref: AuthorRef): Patient | undefined {
    return this.#all.get(ref)
  }

  /** The record of an incarnation without an entry, by name. */
  stranger(ref: AuthorRef): Patient | undefined {
    return this.#strangers.get(nameOf(ref))
  }

  /** Has a link room to name another incarnation that has no entry? */
  hasRoom(link: LinkId): boolean {
    const { maxAuthorsPerPeer, maxAuthors } = this.#limits
    return (this.#strangersOf.get(link) ?? 0) < maxAuthorsPerPeer && this.#strangers.size < maxAuthors
  }

  /** Makes a record. */
  add(ref: AuthorRef, entry: AuthorEntry | null, named: { link: LinkId; nowMs: number }): Patient {
    const { link, nowMs: sinceMs } = named
    const gaps = new Gaps(this.#limits, entry === null ? 0 : entry.watermark + 1)
    const unknown = { floor: 0, refusedSeq: -1, refusedTo: -1, haveFrom: -1, haveMs: 0 }
    const patient: Patient = { ref, entry, gaps, link, sinceMs, ...unknown }
    if (entry === null) {
      this.#strangers.set(nameOf(ref), patient)
      this.#strangersOf.set(link, (this.#strangersOf.get(link) ?? 0) + 1)
    }
    this.#all.set(ref, patient)
    return patient
  }

  /** A stranger got its entry: it counts for nobody any more. */
  settle(patient: Patient, entry: AuthorEntry): void {
    this.#discharge(patient)
    patient.entry = entry
  }

  /** Forgets a record. */
  remove(patient: Patient): void {
    this.#all.delete(patient.ref)
    if (patient.entry === null) this.#discharge(patient)
  }

  /** A link is gone: what it named stays until it is settled, but isn't counted. */
  linkDown(link: LinkId): void {
    this.#strangersOf.delete(link)
  }

  #discharge(patient: Patient): void {
    this.#strangers.delete(nameOf(patient.ref))
    const named = (this.#strangersOf.get(patient.link) ?? 0) - 1
    if (named > 0) this.#strangersOf.set(patient.link, named)
    else this.#strangersOf.delete(patient.link)
  }
}
