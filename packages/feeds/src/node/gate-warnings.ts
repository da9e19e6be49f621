/**
 * Warnings about one connection: of each kind at most one per second, since a peer decides how often there is a reason.
 */
import { FeedsError } from '../errors.js'
import { errorOf } from './guard.js'

/** ms between two warnings of one kind. */
const WARN_MS = 1_000

/** See the head of this file. */
export class GateWarnings {
  readonly #tell: (error: FeedsError) => void
  readonly #warnedMs = new Map<string, number>()

  constructor(tell: (error: FeedsError) => void) {
    this.#tell = tell
  }

  warn(code: FeedsError['code'], message: string, fault?: unknown): void {
    const nowMs = performance.now()
    if (nowMs - (this.#warnedMs.get(code) ?? Number.NEGATIVE_INFINITY) < WARN_MS) return
    this.#warnedMs.set(code, nowMs)
    const error = new FeedsError(code, message, fault === undefined ? {} : { cause: errorOf(fault) })
    // In a later microtask: an application's listener must not run inside a callback of the muxer.
    queueMicrotask(() => this.#tell(error))
  }
}
