/**
 * Requests of one channel, in both directions.
 *
 *   outgoing: open(call) --RESPONSE | ERROR--> settled      incoming: taken --reply--> answered
 *                        --deadline----------> timeout                --channel closed--> forgotten
 *                        --cancel------------> forgotten
 *
 * Invariants: 1. each call is settled at most once; an answer that comes late or twice finds nothing.
 * 2. Ids are per sender and only grow, so a late answer can't meet a newer call.
 * 3. At most `maxCalls` are open in either direction.
 */

/** The app's number of a call; given by the driver, never used twice. */
export type CallToken = number

interface OutgoingCall {
  token: CallToken
  deadlineMs: number
}

/** Open calls of one channel. */
export class Calls {
  readonly #maxCalls: number
  readonly #outgoing = new Map<number, OutgoingCall>()
  readonly #incoming = new Set<number>()
  #nextId = 1
  #lastIncoming = 0

  /** @param maxCalls - Open calls per direction. */
  constructor(maxCalls: number) {
    this.#maxCalls = maxCalls
  }

  /** Opens a call of ours. Returns its id on the wire, or null if too many are open. */
  open(token: CallToken, deadlineMs: number): number | null {
    if (this.#outgoing.size >= this.#maxCalls) return null
    const id = this.#nextId++
    this.#outgoing.set(id, { token, deadlineMs })
    return id
  }

  /** An answer came. Returns the call that it settles; null: late, double, or never asked. */
  settle(id: number): CallToken | null {
    const call = this.#outgoing.get(id)
    if (call === undefined) return null
    this.#outgoing.delete(id)
    return call.token
  }

  /** The app lost interest. */
  cancel(token: CallToken): boolean {
    for (const [id, call] of this.#outgoing) {
      if (call.token === token) return this.#outgoing.delete(id)
    }
    return false
  }

  /** Calls whose deadline has come; they are forgotten. */
  expire(nowMs: number): CallToken[] {
    const expired: CallToken[] = []
    for (const [id, call] of this.#outgoing) {
      if (call.deadlineMs > nowMs) continue
      this.#outgoing.delete(id)
      expired.push(call.token)
    }
    return expired
  }

  /** The channel is gone: all open calls of ours, and the remote's are forgotten. */
  clear(): CallToken[] {
    const open = Array.from(this.#outgoing.values(), call => call.token)
    this.#outgoing.clear()
    this.#incoming.clear()
    return open
  }

  /** A call of the remote. 'stale': its id didn't grow (a violation); 'busy': too many are open. */
  take(id: number): 'taken' | 'busy' | 'stale' {
    if (id <= this.#lastIncoming) return 'stale'
    this.#lastIncoming = id
    if (this.#incoming.size >= this.#maxCalls) return 'busy'
    this.#incoming.add(id)
    return 'taken'
  }

  /** We answer a call of the remote. False: answered already, or the channel was closed meanwhile. */
  reply(id: number): boolean {
    return this.#incoming.delete(id)
  }

  /** Earliest deadline of our calls; Infinity without any. */
  nextDeadlineMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const call of this.#outgoing.values()) earliest = Math.min(earliest, call.deadlineMs)
    return earliest
  }

  /** Open calls, ours and theirs. */
  get size(): { outgoing: number; incoming: number } {
    return { outgoing: this.#outgoing.size, incoming: this.#incoming.size }
  }
}
