/**
 * What happens next, with what a frame carries: an agenda whose entries are slots of arrays that are used again, so that
 * tens of millions of frames allocate nothing.
 *
 * The caller pushes, steps with `next`, and reads the event at hand from the fields.
 */
import { Agenda } from '../scale/agenda.js'

/** What a frame carries more of than one. */
export type Numbers = readonly number[]

/** The events of one run. */
export class Timeline {
  /** The event at hand: what it is, where, and what it carries. */
  kind = 0
  at = 0
  value = 0
  hop = 0
  numbers: Numbers | null = null
  readonly #agenda = new Agenda()
  /** By slot. */
  #ats = new Int32Array(1024)
  #values = new Int32Array(1024)
  #hops = new Int32Array(1024)
  readonly #lists: (Numbers | null)[] = []
  readonly #free: number[] = []
  #used = 0

  /** @param startMs - may lie below 0: what models do before a stage begins */
  constructor(startMs: number) {
    this.#agenda.nowMs = startMs
  }

  /** Virtual ms. */
  get nowMs(): number {
    return this.#agenda.nowMs
  }

  /** Adds an event, of a kind from 0 to 255; one in the past happens now, behind all that is due now. */
  push(atMs: number, kind: number, at: number, value = 0, hop = 0, numbers: Numbers | null = null): void {
    const slot = this.#free.pop() ?? this.#used++
    if (slot === this.#ats.length) this.#grow()
    this.#ats[slot] = at
    this.#values[slot] = value
    this.#hops[slot] = hop
    this.#lists[slot] = numbers
    this.#agenda.add(atMs, kind, slot)
  }

  /** Takes the next event that is due by `untilMs` into the fields; false: there is none. */
  next(untilMs: number): boolean {
    if (!this.#agenda.next(untilMs)) return false
    const slot = this.#agenda.data
    this.kind = this.#agenda.kind
    this.at = this.#ats[slot] as number
    this.value = this.#values[slot] as number
    this.hop = this.#hops[slot] as number
    this.numbers = this.#lists[slot] ?? null
    this.#lists[slot] = null
    this.#free.push(slot)
    return true
  }

  #grow(): void {
    const length = 2 * this.#ats.length
    const grown = (from: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(length)
      to.set(from)
      return to
    }
    this.#ats = grown(this.#ats)
    this.#values = grown(this.#values)
    this.#hops = grown(this.#hops)
  }
}
