/**
 * The ways a run ends before its work is done.
 *
 *   running --Ctrl+C or SIGTERM--> leaving --2 s, or the signal again--> exit
 *                                     \-----the command settled--------> exit code 130 or 143
 *   running --end(code)----------> leaving (when nobody reads our output any more)
 *
 * Leaving means: the signal of all waits is aborted, so each command runs into its own clean-up.
 */

import { setMaxListeners } from 'node:events'

// Between the signal and the exit may lie 2 s; the rest is for the exit itself.
const PATIENCE_MS = 1900
const CODES = { SIGINT: 130, SIGTERM: 143 } as const

/** Watches for signals from its construction until `done()`. */
export class Shutdown {
  readonly #controller = new AbortController()
  #code: number | null = null
  #timer: NodeJS.Timeout | undefined

  constructor() {
    // Every call that waits listens, hundreds at once.
    setMaxListeners(0, this.#controller.signal)
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  /** Aborted as soon as the run is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Exit code of an ended run; null while it goes on. */
  get code(): number | null {
    return this.#code
  }

  /**
   * Ends the run.
   *
   * @param code - Exit code; the first one counts.
   */
  end(code: number): void {
    if (this.#code !== null) return
    this.#code = code
    this.#timer = setTimeout(() => process.exit(code), PATIENCE_MS)
    this.#controller.abort(new Error('interrupted'))
  }

  /** The command has settled; a process that is still alive after the grace period is ended all the same. */
  done(): void {
    this.#timer?.unref()
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }

  readonly #onSignal = (name: keyof typeof CODES): void => {
    if (this.#code !== null) process.exit(CODES[name])
    this.end(CODES[name])
  }
}
