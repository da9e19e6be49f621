/**
 * What a connection may send, over all topics: frames and bytes per second. Topics share it, because they share the
 * connection: else each further topic would be another full budget for whoever floods.
 *
 * What is over it is dropped and counted, and costs no points: the other end can't know what our topics take together, and
 * what a stalled connection held back comes at once. AUTHOR frames are always interpreted, since later ones build on
 * them; they have a budget of their own.
 */
import type { Limits } from '../limits.js'
import { TokenBucket } from './budget.js'
import type { IntakePort } from './types.js'

/** The budget of one connection; give the same one to the links of all topics on it. */
export class Intake implements IntakePort {
  readonly #frames: TokenBucket
  readonly #bytes: TokenBucket

  /** @param limits - `framesPerSecond` and `bytesPerSecond` are the rates; the bursts are twice as much. */
  constructor({ framesPerSecond, bytesPerSecond }: Limits) {
    this.#frames = new TokenBucket(framesPerSecond, framesPerSecond * 2)
    this.#bytes = new TokenBucket(bytesPerSecond, bytesPerSecond * 2)
  }

  /** May a frame of so many bytes be interpreted now? */
  take(bytes: number, nowMs: number): boolean {
    return this.#frames.take(1, nowMs) && this.#bytes.take(bytes, nowMs)
  }
}
