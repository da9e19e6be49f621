/**
 * What happens when, for millions of entries: a heap of four children a node, in typed arrays, ordered by (time, order of
 * insertion). An entry is a kind and a number, so that nothing is allocated for it.
 *
 * Time starts at 1, because caches with an injected clock take a start time of 0 for "never".
 */

/** Entries that may be due at one instant. Each is cheap, so that a livelock fails at once. */
const MAX_AT_ONCE = 1_000_000

/** A queue of (time, kind, number). */
export class Agenda {
  /** Virtual ms. */
  nowMs = 1
  /** Kind of the entry that `next` took. */
  kind = 0
  /** Its number. */
  data = 0
  /** Entries taken so far. */
  steps = 0
  #length = 0
  #order = 0
  #atOnce = 0
  #times = new Float64Array(1024)
  #orders = new Float64Array(1024)
  #kinds = new Uint8Array(1024)
  #datas = new Int32Array(1024)

  /** How many entries wait. */
  get length(): number {
    return this.#length
  }

  /** When the next entry is due; Infinity: there is none. */
  get nextMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  /** Puts an entry in; one that is past is due now, behind all that is due now. */
  add(atMs: number, kind: number, data: number): void {
    if (this.#length === this.#times.length) this.#grow()
    const time = Math.max(atMs, this.nowMs)
    const times = this.#times
    let index = this.#length++
    while (index > 0) {
      const parent = (index - 1) >> 2
      // Equal times keep their order, because a newer entry never passes an older one.
      if ((times[parent] as number) <= time) break
      this.#move(parent, index)
      index = parent
    }
    this.#put(index, time, this.#order++)
    this.#kinds[index] = kind
    this.#datas[index] = data
  }

  /** Takes the next entry that is due by `untilMs`: moves `nowMs`, sets `kind` and `data`. False: none, `nowMs` is `untilMs`. */
  next(untilMs: number): boolean {
    const time = this.nextMs
    if (this.#length === 0 || time > untilMs) {
      // Without a bound time stands where it is.
      if (untilMs < Number.POSITIVE_INFINITY) this.nowMs = untilMs
      return false
    }
    this.#atOnce = time > this.nowMs ? 0 : this.#atOnce + 1
    if (this.#atOnce > MAX_AT_ONCE) throw new Error(`no rest after ${MAX_AT_ONCE} steps at ${this.nowMs} ms`)
    this.nowMs = time
    this.steps++
    this.kind = this.#kinds[0] as number
    this.data = this.#datas[0] as number
    this.#removeFirst()
    return true
  }

  #removeFirst(): void {
    const length = --this.#length
    if (length === 0) return
    const time = this.#times[length] as number
    const order = this.#orders[length] as number
    let index = 0
    for (;;) {
      const child = this.#firstChild(index, length)
      if (child < 0 || !this.#isBefore(child, time, order)) break
      this.#move(child, index)
      index = child
    }
    if (index !== length) this.#move(length, index)
  }

  /** The earliest child of `index`; -1: it has none. */
  #firstChild(index: number, length: number): number {
    const first = 4 * index + 1
    if (first >= length) return -1
    const end = Math.min(first + 4, length)
    let best = first
    for (let child = first + 1; child < end; child++) {
      if (this.#isBefore(child, this.#times[best] as number, this.#orders[best] as number)) best = child
    }
    return best
  }

  #isBefore(index: number, time: number, order: number): boolean {
    const own = this.#times[index] as number
    return own < time || (own === time && (this.#orders[index] as number) < order)
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#orders[to] = this.#orders[from] as number
    this.#kinds[to] = this.#kinds[from] as number
    this.#datas[to] = this.#datas[from] as number
  }

  #put(index: number, time: number, order: number): void {
    this.#times[index] = time
    this.#orders[index] = order
  }

  #grow(): void {
    const size = this.#times.length * 2
    const grown = <T extends { set(from: T): void }>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.#times = grown(new Float64Array(size), this.#times)
    this.#orders = grown(new Float64Array(size), this.#orders)
    this.#kinds = grown(new Uint8Array(size), this.#kinds)
    this.#datas = grown(new Int32Array(size), this.#datas)
  }
}
