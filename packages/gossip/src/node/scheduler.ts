/**
 * When things are done: at the end of the tick, or after the guard.
 *
 * One macrotask per tick serves all topics and connections of a Gossip: first the topics whose deadline has come, then
 * the connections that have something to write. So whatever happens in a tick is signed together and written in one
 * piece. Application code runs in a microtask of its own, in the order in which it was asked for: never inside a
 * callback of Protomux, and what it throws is the application's uncaught exception, as with any emitter.
 */

/** Something with work to do at the end of the tick. */
export interface TickJob {
  onTick(): void
}

// Node, Bare and Electron have it; a browser's shortest timer is the next best thing.
const atEndOfTick: (run: () => void) => unknown =
  typeof setImmediate === 'function' ? setImmediate : run => setTimeout(run, 0)

/** See the head of this file. */
export class Scheduler {
  #topics = new Set<TickJob>()
  #connections = new Set<TickJob>()
  #isArmed = false
  #calls: (() => void)[] = []

  /** Has `job` done at the end of this tick, once, before any connection is written. */
  topicSoon(job: TickJob): void {
    this.#topics.add(job)
    this.#arm()
  }

  /** Has `job` done at the end of this tick, once, after the topics. */
  connectionSoon(job: TickJob): void {
    this.#connections.add(job)
    this.#arm()
  }

  /** Runs application code in a later microtask, after everything that was handed in before. */
  later(call: () => void): void {
    this.#calls.push(call)
    if (this.#calls.length === 1) queueMicrotask(this.#runCalls)
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    atEndOfTick(this.#runJobs)
  }

  readonly #runJobs = (): void => {
    this.#isArmed = false
    const topics = this.#topics
    this.#topics = new Set()
    for (const job of topics) job.onTick()
    const connections = this.#connections
    this.#connections = new Set()
    for (const job of connections) job.onTick()
  }

  readonly #runCalls = (): void => {
    const calls = this.#calls
    let done = 0
    try {
      for (const call of calls) {
        done++
        call()
      }
    } finally {
      // After a listener that threw, the others still get what is theirs. `for of` sees what is added meanwhile.
      this.#calls = calls.slice(done)
      if (this.#calls.length > 0) queueMicrotask(this.#runCalls)
    }
  }
}
