/**
 * The one wish of a core to be woken: one timer, or the end of the tick if it is due.
 *
 * The wish changes with almost every input. A timer that was set for an earlier time is left alone: when it comes it
 * finds nothing due and is set again, which is cheaper than a new timer for each change.
 */
import type { GossipContext } from './context.js'
import type { TickJob } from './scheduler.js'

/** A wish that is further away doesn't keep the process alive, unless somebody waits for it. */
const KEEPS_ALIVE_MS = 60
/** Longer delays overflow a timer. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** See the head of this file. */
export class WakeTimer {
  readonly #context: GossipContext
  readonly #job: TickJob
  #timer: ReturnType<typeof setTimeout> | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #atMs = Number.POSITIVE_INFINITY
  #isAwaited = false

  /** @param job - Is called when the wish may be due: ask `isDue`. */
  constructor(context: GossipContext, job: TickJob) {
    this.#context = context
    this.#job = job
  }

  /** Has the time of the wish come? */
  get isDue(): boolean {
    return this.#context.clock.nowMs() >= this.#atMs
  }

  /**
   * Replaces the wish.
   *
   * @param atMs - Of the clock; Infinity: none.
   * @param isAwaited - Does somebody wait for what comes of it?
   */
  set(atMs: number, isAwaited: boolean): void {
    this.#atMs = atMs
    this.#isAwaited = isAwaited
    this.arm()
  }

  /** Somebody waits for what comes of the wish now, though the wish itself may not have changed. */
  awaited(): void {
    if (this.#isAwaited) return
    this.#isAwaited = true
    this.#timer?.ref?.()
  }

  /** Sees to it that the job is called when the wish is due. */
  arm(): void {
    if (!Number.isFinite(this.#atMs)) return
    const delayMs = this.#atMs - this.#context.clock.nowMs()
    if (delayMs <= 0) this.#context.scheduler.topicSoon(this.#job)
    else if (this.#atMs < this.#timerAtMs) this.#start(delayMs)
  }

  /** No timer any more. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#atMs = Number.POSITIVE_INFINITY
  }

  #start(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timerAtMs = this.#atMs
    this.#timer = setTimeout(this.#ontimer, Math.min(delayMs, MAX_DELAY_MS))
    if (delayMs > KEEPS_ALIVE_MS && !this.#isAwaited) this.#timer.unref?.()
  }

  readonly #ontimer = (): void => {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    this.#job.onTick()
  }
}
